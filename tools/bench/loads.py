"""The loads: what is run, and which figure it gives."""
import json
import resource
import subprocess
import sys
from concurrent import futures

import processes
from ways import FIRST_PORT, IPERF_PORT, PORTS, SERVER, UDP_PORT, Way

ECHO_BYTES, ECHO_RATE = 200, 10000
FLOOD_RATE = 20000
ONRAMPS = ["run", "offload", "mtu1400"]
PEERS = ["slirp", "pasta", "slirp1500", "pasta1500"]
TCP_WAYS = ["direct", "ceiling", *ONRAMPS, *PEERS]
UDP_WAYS = ["direct", *ONRAMPS, *PEERS]

# load: its unit, and the ways that it goes
LOADS = {
    **{load: ("Gbit/s", TCP_WAYS) for load in ("up1", "down1", "up8", "down8", "up64", "down64")},
    **{load: ("per second", TCP_WAYS) for load in ("crr1", "crr32", "crr256")},
    "rr": ("us p50", TCP_WAYS),
    "udp64": ("packets/s", UDP_WAYS),
    "udp1400": ("packets/s", UDP_WAYS),
    "echo": ("% lost of 10,000/s", UDP_WAYS),
    "forward64": ("packets/s", ["ceiling", "mtu1400"]),
    "forward1400": ("packets/s", ["ceiling", "mtu1400"]),
    "idle": ("bytes each", ["run", "offload", "mtu1400", "slirp", "pasta"]),
    "crowd-up": ("x CPU/GB", ["offload", "mtu1400"]),
    "crowd-crr": ("x CPU/connection", ["offload", "mtu1400"]),
    "flood-up": ("x Gbit/s", ["offload", "mtu1400"]),
    "flood-own-up": ("x Gbit/s", ["offload", "mtu1400"]),
    "rules-up": ("x Gbit/s", ["mtu1400"]),
    "rules-crr": ("x per second", ["mtu1400"]),
    "workers-crr": ("x per second", ["mtu1400"]),
}


class Failed(Exception):
    pass


def printed_json(words, ended):
    try:
        return json.loads(ended.stdout)
    except json.JSONDecodeError:
        raise Failed("%s: ended with %d: %s" % (" ".join(words[-6:]), ended.returncode,
                                                (ended.stderr or ended.stdout)[-300:])) from None


class Loads:
    def __init__(self, bench, seconds, idle):
        self.bench = bench
        self.seconds = seconds
        # Two descriptors of the gateway for each.
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        self.idle_count = min(idle, (limit - 2000) // 2)

    def run(self, load, way_name):
        """The figure, and a dictionary of all that was measured."""
        if load.startswith("forward"):
            return self.forward(load[len("forward"):], way_name)
        if load == "idle":
            return self.idle(way_name)
        if load.startswith("crowd-"):
            return self.crowd({"up": "up1", "crr": "crr32"}[load[len("crowd-"):]], way_name)
        if load.startswith("flood-"):
            return self.flooded("default" if load == "flood-own-up" else "flood", way_name)
        if load.startswith("rules-"):
            return self.ruled({"up": "up1", "crr": "crr32"}[load[len("rules-"):]])
        if load == "workers-crr":
            return self.shared()
        return self.through(load, self.bench.ways[way_name])

    # ---- One program, through a way ----

    def words_of(self, load, server):
        program, seconds = self.bench.load_program, str(self.seconds)
        if load.startswith(("up", "down")):
            words = ["iperf3", "-c", server, "-p", str(IPERF_PORT), "-t", seconds, "-O", "1", "--json",
                     "-P", load.lstrip("updown")]
            return words + ["-R"] if load.startswith("down") else words
        if load.startswith("crr"):
            return [program, "crr", server, str(FIRST_PORT), str(PORTS), load[3:], seconds]
        if load == "rr":
            return [program, "rr", server, str(FIRST_PORT), seconds]
        if load == "echo":
            return [program, "udp-echo", server, str(UDP_PORT), str(ECHO_BYTES), str(ECHO_RATE), seconds]
        return [program, "udp-flood", server, str(UDP_PORT), load[3:], seconds]

    def through(self, load, way):
        words = [*way.prefix, *self.words_of(load, way.server)]
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        meter = processes.CpuMeter([process.pid] if way.own else way.carriers, way.name or "-")
        try:
            out, err = process.communicate(timeout=60 + self.seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise Failed("%s: did not end" % load) from None
        finally:
            cpu = meter.seconds()
        printed = printed_json(words, subprocess.CompletedProcess(words, process.returncode, out, err))
        return self.figure_of(load, printed, cpu if way.name else None)

    def figure_of(self, load, printed, cpu):
        try:
            if load.startswith(("up", "down")):
                figure = printed["end"]["sum_received"]["bits_per_second"] / 1e9
                carried = sum(each["sum"]["bytes"] for each in printed["intervals"]) / 1e9
                more = {"cpu_seconds_per_gigabyte": cpu / carried} if cpu is not None and carried else {}
                return figure, more
        except KeyError:
            raise Failed("iperf3: %s" % printed.get("error", "no figures")) from None
        more = dict(printed)
        if load.startswith("crr"):
            connections = printed["per_second"] * self.seconds
            if cpu is not None and connections:
                more["cpu_seconds_per_thousand_connections"] = 1000 * cpu / connections
            return printed["per_second"], more
        if load.startswith("udp"):
            return printed["per_second"], more
        return printed["loss_percent" if load == "echo" else "p50_us"], more

    # ---- From tunnel to tunnel ----

    def forward(self, size, way_name):
        words = [self.bench.load_program, "forward", self.bench.onramp, size, str(self.seconds)]
        if way_name == "ceiling":
            words = [self.bench.load_program, "forward-bare", size, str(self.seconds)]
        meter = processes.CpuMeter([self.bench.gateway.pid], "liftgate")
        try:
            ended = subprocess.run(words, capture_output=True, text=True, timeout=60 + self.seconds,
                                   stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired:
            raise Failed("forward%s: did not end" % size) from None
        finally:
            cpu = meter.seconds()
        printed = printed_json(words, ended)
        if way_name != "ceiling" and printed["packets"]:
            printed["cpu_ns_per_packet"] = 1e9 * cpu / printed["packets"]
        return printed["per_second"], printed

    # ---- Idle connections ----

    def open_idle(self, way, count):
        """A client with `count` connections that it has used once, and now does not."""
        client = subprocess.Popen(
            [*way.prefix, self.bench.load_program, "idle", way.server, str(FIRST_PORT), str(PORTS),
             str(count)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.expect(client, "ready")
        return client

    def expect(self, client, key):
        line = client.stdout.readline()
        if '"%s"' % key not in line:
            client.kill()
            raise Failed("the idle client: %s" % (line + client.stderr.read())[-300:])
        return json.loads(line)[key]

    def connect(self, client):
        client.stdin.write("go\n")
        client.stdin.flush()
        return self.expect(client, "connected")

    def close(self, client):
        client.stdin.close()
        client.wait(timeout=60)

    def idle(self, way_name):
        """Bytes of memory that the processes in between have more for each connection."""
        way, fresh = self.bench.ways[way_name], None
        if way_name in ("offload", "mtu1400"):
            fresh, onramp = self.bench.start_gateway()
            way = self.bench.through_tunnel(fresh, onramp, way_name == "offload")
        client = self.open_idle(way, self.idle_count)

        def memory():
            pids = [client.pid] if way.own else way.carriers
            return processes.pss_bytes(processes.family(pids, way.name))
        try:
            before, slab_before = memory(), processes.slab_bytes()
            connected = self.connect(client)
            after, slab_after = memory(), processes.slab_bytes()
            if not before or connected < self.idle_count:
                raise Failed("idle: %d of %d connected" % (connected, self.idle_count))
        finally:
            self.close(client)
            if fresh:
                self.bench.stop(fresh)
        return (after - before) / connected, {
            "connections": connected, "pss_before": before, "pss_after": after,
            "kernel_slab_per_connection_of_the_whole_machine": (slab_after - slab_before) / connected}

    def crowd(self, load, way_name):
        """Processor time of the gateway beside many idle flows, as a multiple of that beside few."""
        costs, most = {}, 2 * self.idle_count
        for flows in (10, most):
            gateway, onramp = self.bench.start_gateway()
            clients = []
            try:
                # Half of them connections, with sockets and relays; half forwarded packets.
                clients.append(subprocess.Popen(
                    [self.bench.load_program, "idle-forwarded", onramp, str(flows // 2)],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
                self.expect(clients[0], "flows")
                clients.append(self.open_idle(
                    self.bench.through_tunnel(gateway, onramp, False, number="3"), flows // 2))
                self.connect(clients[1])
                way = self.bench.through_tunnel(gateway, onramp, way_name == "offload")
                _, measured = self.through(load, way)
                costs[flows] = next(cost for name, cost in measured.items() if name.startswith("cpu_"))
            finally:
                for client in clients:
                    self.close(client)
                self.bench.stop(gateway)
        return costs[most] / costs[10], {"flows": most, "few": costs[10], "many": costs[most]}

    def ruled(self, load):
        """The load's figure behind 1,000 rules, none of which matches, over that behind none."""
        kinds = ("destination: [10.{0}.{1}.0/24, 172.16.{1}.0/24], protocol: tcp",
                 "destination_port: [{2}, 20000-20010]",
                 "name: ['*.site{2}.example']",
                 "source: 100.65.{1}.0/24, destination_port: {2}")
        rules = "rules:\n" + "".join(
            "- {name: r%d, match: {%s}, action: reject}\n"
            % (i, kinds[i % 4].format(i // 256, i % 256, 10000 + i)) for i in range(1000))
        figures = {}
        for count, text in ((0, ""), (1000, rules)):
            gateway, onramp = self.bench.start_gateway(text)
            try:
                figures[count], _ = self.through(load, self.bench.through_tunnel(gateway, onramp, False))
            finally:
                self.bench.stop(gateway)
        return figures[1000] / figures[0], {"without": figures[0], "with": figures[1000]}

    def shared(self):
        """Connections of two tenants at once that two workers carry, over what one does."""
        figures = {}
        for workers in (1, 2):
            gateway, onramp = self.bench.start_gateway(
                "workers: %d\ntenants: [{name: first}, {name: second}]\n" % workers)
            ways = [self.bench.through_tunnel(gateway, onramp, False, number, tenant)
                    for number, tenant in (("2", "first"), ("3", "second"))]
            try:
                with futures.ThreadPoolExecutor() as clients:
                    both = list(clients.map(lambda way: self.through("crr32", way)[0], ways))
                figures[workers] = sum(both)
            finally:
                self.bench.stop(gateway)
        return figures[2] / figures[1], {"one": figures[1], "two": figures[2]}

    def flooded(self, tenant, way_name):
        """up1 beside a flood of SYNs by a tunnel of `tenant`, over up1 without, on one worker."""
        gateway, onramp = self.bench.start_gateway(
            "workers: 1\ntenants: [{name: default}, {name: flood}]\n")
        flood = None
        try:
            way = self.bench.through_tunnel(gateway, onramp, way_name == "offload")
            alone, _ = self.through("up1", way)
            flood = subprocess.Popen([self.bench.load_program, "syn-flood", onramp, tenant, SERVER,
                                      str(FIRST_PORT), str(FLOOD_RATE)], stdin=subprocess.DEVNULL)
            beside, more = self.through("up1", way)
            if flood.poll() is not None:
                raise Failed("the flood ended")
        finally:
            if flood:
                flood.kill()
                flood.wait()
            self.bench.stop(gateway)
        return beside / alone, {"alone": alone, "beside": beside, **more}
