"""The ways from a client to the server, each set up in namespaces of this program's own."""
import os
import shutil
import subprocess
import time

SERVER = "198.51.100.7"  # not what the outer interface has: pasta gives that to its inside
VETH_HOST, VETH_CLIENT = "10.77.0.1", "10.77.0.2"
FIRST_PORT, PORTS, IPERF_PORT, UDP_PORT = 7000, 64, 5201, 9000


def command(*words):
    subprocess.run(words, check=True)


def wait_until(what, holds, seconds=10):
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise RuntimeError("gave up waiting: " + what)
        time.sleep(0.02)


class Way:
    """How to start a client, and who carries its packets."""

    def __init__(self, prefix, server=SERVER, carriers=(), name="", own=False):
        self.prefix = prefix
        self.server = server
        self.carriers = carriers  # processes that are there before
        self.name = name          # of those, and of others that the prefix starts
        self.own = own            # the prefix starts them


class Bench:
    def __init__(self, build, directory, names):
        self.directory = directory
        self.names = names
        self.programs = []
        self.load_program = os.path.join(build, "bin", "bench_load")
        self.liftgate = os.path.join(build, "bin", "liftgate")
        self.pasta = os.environ.get("PASTA", "pasta")
        self.gateways = 0
        self.ways = {}

    def start(self, *words, **options):
        log = open(os.path.join(self.directory, "log-%d" % len(self.programs)), "w")
        program = subprocess.Popen(words, stdout=log, stderr=log, stdin=subprocess.DEVNULL, **options)
        self.programs.append(program)
        return program

    def new_network(self, user=False):
        """A process that holds a network namespace."""
        words = ["unshare", "--net", "sleep", "infinity"]
        if user:
            words[1:1] = ["--user", "--map-root-user"]
        own = os.readlink("/proc/self/ns/net")
        holder = self.start(*words)
        path = "/proc/%d/ns/net" % holder.pid
        wait_until("a namespace", lambda: os.readlink(path) != own)
        return holder.pid

    def start_gateway(self, rules=""):
        """A gateway that has seen nothing yet, and its on-ramp."""
        self.gateways += 1
        directory = os.path.join(self.directory, "gateway-%d" % self.gateways)
        os.mkdir(directory)
        onramp, config = os.path.join(directory, "onramp.sock"), os.path.join(directory, "liftgate.yaml")
        with open(config, "w") as file:
            # Idle flows stay.
            file.write("control: {path: %s/control.sock}\nonramps: [{seqpacket: {path: %s}}]\n"
                       "flows: {timeouts: {udp: 1h}}\n%s" % (directory, onramp, rules))
        gateway = self.start(self.liftgate, "serve", "--config", config)
        wait_until("the gateway's on-ramp", lambda: os.path.exists(onramp))
        return gateway, onramp

    def through_tunnel(self, gateway, onramp, offload, number="2", tenant="default"):
        return Way([self.load_program, "tunnel", onramp, "1400", "1" if offload else "0", number, tenant],
                   carriers=[gateway.pid], name="liftgate")

    def set_up(self):
        self.set_up_networks()
        self.start(self.load_program, "serve", SERVER, str(FIRST_PORT), str(PORTS))
        self.start(self.load_program, "udp-serve", SERVER, str(UDP_PORT))
        self.start("iperf3", "-s", "-B", SERVER, "-p", str(IPERF_PORT))
        relays = [self.start(self.load_program, "relay", VETH_HOST, SERVER, str(port), str(count)).pid
                  for port, count in ((FIRST_PORT, PORTS), (IPERF_PORT, 1))]
        self.ways["direct"] = Way(self.inside)
        self.ways["ceiling"] = Way(self.inside, VETH_HOST, relays, "bench_load")
        self.ways["run"] = Way([self.liftgate, "run", "--"], name="liftgate", own=True)
        self.gateway, self.onramp = self.start_gateway()
        self.ways["offload"] = self.through_tunnel(self.gateway, self.onramp, True)
        self.ways["mtu1400"] = self.through_tunnel(self.gateway, self.onramp, False)
        for name, mtu in (("slirp", 65520), ("slirp1500", 1500)):
            if name in self.names:
                self.set_up_slirp(name, mtu)
        for name, mtu in (("pasta", 65520), ("pasta1500", 1500)):
            self.ways[name] = Way([self.pasta, "--runas", "0", "--quiet", "--config-net", "-m", str(mtu),
                                   "-t", "none", "-u", "none", "-T", "none", "-U", "none", "--"],
                                  name=os.path.basename(self.pasta), own=True)

    def set_up_networks(self):
        command("ip", "link", "set", "lo", "up")
        command("ip", "link", "add", "up0", "type", "veth", "peer", "name", "up1")
        command("ip", "addr", "add", "192.0.2.1/24", "dev", "up0")
        command("ip", "addr", "add", SERVER + "/32", "dev", "lo")
        command("ip", "link", "set", "up0", "up")
        command("ip", "link", "set", "up1", "up")
        command("ip", "route", "add", "default", "via", "192.0.2.254")
        holder = self.new_network()
        command("ip", "link", "add", "veth0", "type", "veth", "peer", "name", "eth0", "netns", str(holder))
        command("ip", "addr", "add", VETH_HOST + "/24", "dev", "veth0")
        command("ip", "link", "set", "veth0", "up")
        self.inside = ["nsenter", "--net", "-t", str(holder)]
        command(*self.inside, "ip", "addr", "add", VETH_CLIENT + "/24", "dev", "eth0")
        command(*self.inside, "ip", "link", "set", "eth0", "up")
        command(*self.inside, "ip", "route", "add", "default", "via", VETH_HOST)

    def set_up_slirp(self, name, mtu):
        holder = self.new_network(user=True)
        ready = os.path.join(self.directory, name)
        with open(ready, "w") as file:
            slirp = self.start("slirp4netns", "--configure", "--mtu=%d" % mtu,
                               "--ready-fd=%d" % file.fileno(),
                               "--userns-path=/proc/%d/ns/user" % holder, str(holder), "tap0",
                               pass_fds=[file.fileno()])
            wait_until("slirp4netns", lambda: os.path.getsize(ready) > 0)
        self.ways[name] = Way(["nsenter", "--preserve-credentials", "-U", "--net", "-t", str(holder)],
                              carriers=[slirp.pid], name="slirp4netns")

    def wait_for_servers(self):
        def answers():
            return subprocess.run([*self.inside, self.load_program, "crr", SERVER, str(FIRST_PORT), "1",
                                   "1", "0"],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
        wait_until("the servers", answers)

    def stop(self, program):
        program.kill()
        program.wait()
        self.programs.remove(program)

    def tear_down(self):
        for program in list(self.programs):
            self.stop(program)


def is_there(name):
    """Whether what the way `name` needs is installed."""
    programs = {"slirp": "slirp4netns", "pasta": os.environ.get("PASTA", "pasta")}
    program = programs.get(name.removesuffix("1500"))
    return program is None or shutil.which(program) is not None
