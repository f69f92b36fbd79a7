"""What tools/soak breaks, and how."""
import json
import os
import shutil
import signal
import socket
import subprocess
import time

import processes
from gateway import SERVERS

# Lost: one packet of fifty, each way between the gateway and the server. The kernels that were tested
# on have no netem, so that nothing is delayed or reordered.
LOSS = """
table inet soak {
  chain lose {
    type filter hook input priority 0;
    ip daddr %s numgen random mod 50 == 0 drop
    ip saddr %s numgen random mod 50 == 0 drop
    ip6 daddr %s numgen random mod 50 == 0 drop
    ip6 saddr %s numgen random mod 50 == 0 drop
  }
}
""" % (SERVERS[0], SERVERS[0], SERVERS[1], SERVERS[1])


def nft(text):
    return subprocess.run(["nft", "-f", "-"], input=text, text=True, capture_output=True).returncode == 0


def left_out():
    """What this machine cannot do."""
    if shutil.which("nft") is None or not nft(LOSS):
        return ["loss (no nftables here)"]
    nft("delete table inet soak")
    return []


class Breaker:
    def __init__(self, gateway, clients, chance, counts):
        self.gateway, self.clients, self.chance, self.counts = gateway, clients, chance, counts
        self.killed = set()
        self.children = []
        self.sockets = []

    def run(self, seconds):
        end = time.monotonic() + seconds - 3  # the last wounds heal within the phase
        nft(LOSS)
        kinds = [self.kill_helper, self.kill_back_end, self.churn, self.rubbish, self.reload, self.rotate,
                 self.pause, self.look, self.half_open]
        self.chance.shuffle(kinds)
        while time.monotonic() < end and not self.gateway.has_ended():
            for kind in kinds:
                if time.monotonic() > end or self.gateway.has_ended():
                    break
                if kind() is not False:
                    self.counts[kind.__name__] += 1
                time.sleep(self.chance.uniform(0.1, 0.8))
            self.chance.shuffle(kinds)
        nft("delete table inet soak")
        for child in self.children:
            child.kill()
            child.communicate()
        for sock in self.sockets:
            sock.close()

    def kill_helper(self):
        for pid in self.gateway.helpers()[:1]:
            os.kill(pid, signal.SIGKILL)

    def kill_back_end(self):
        """The client of one kind, with its tunnel, at most once in a phase."""
        if self.killed:
            return False
        kind = self.chance.choice(("mtu1400", "offload", "gue"))
        self.killed.add(kind)
        self.clients[kind].kill()  # what runs inside it is bound to its life
        return True

    def tunnel(self, number, more=()):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sock.settimeout(10)
        sock.connect(self.gateway.onramp)
        context = {"version": 1, "tenant": "default", "addresses": ["100.64.1.%d/32" % number], "reply": True}
        sock.send(json.dumps(dict(context, **dict(more))).encode())
        return sock

    def churn(self):
        """Tunnels that come and go, some with a name that takes over from the one before."""
        for number in range(20):
            sock = self.tunnel(1 + number % 5, {"name": "churn"} if number % 2 else {})
            sock.recv(4096)
            sock.close()

    def rubbish(self):
        """Refused contexts, packets that are none, and packets with something wrong."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
            sock.connect(self.gateway.onramp)
            sock.send(self.chance.randbytes(200))
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        host, port = self.gateway.gue.split(":")
        sock = self.tunnel(9)
        sock.recv(4096)
        for _ in range(200):
            packet = bytearray(self.chance.randbytes(self.chance.randrange(1, 200)))
            if self.chance.random() < 0.7:
                packet[0] = self.chance.choice((0x45, 0x46, 0x60))
            try:
                sock.send(packet)
                udp.sendto(packet, (host, int(port)))
            except OSError:
                break
        sock.close()
        udp.close()

    def half_open(self):
        """SYNs that nobody follows up, to a destination that a rule refuses and to one that answers."""
        sock = self.tunnel(10)
        sock.recv(4096)
        sock.settimeout(0.2)
        for number in range(100):
            port = self.chance.randrange(1024, 65535)
            sock.send(syn("100.64.1.10", self.chance.choice((SERVERS[0], "203.0.113.9")), port, 7000))
        try:
            while sock.recv(65535):
                pass
        except OSError:
            pass
        self.sockets.append(sock)  # until the phase is over

    def reload(self):
        with open(self.gateway.config) as file:
            text = file.read()
        if self.chance.random() < 0.3:
            bad = self.gateway.config + ".bad.yaml"
            with open(bad, "w") as file:
                file.write(text + "nonsense: 1\n")
            self.call_reload("--config", bad, expected=1)
        else:
            self.call_reload(expected=0)

    def call_reload(self, *words, expected):
        ended = subprocess.run([self.gateway.liftgate, "reload", "--socket", self.gateway.control, *words],
                               capture_output=True, text=True, timeout=30)
        if ended.returncode != expected:
            raise RuntimeError("reload ended with %d: %s" % (ended.returncode, ended.stderr))

    def rotate(self):
        path = os.path.join(self.gateway.directory, "audit", "flows.jsonl")
        os.rename(path, "%s.%d" % (path, self.counts["rotate"]))
        self.gateway.process.send_signal(signal.SIGHUP)

    def pause(self):
        self.gateway.process.send_signal(signal.SIGSTOP)
        time.sleep(self.chance.uniform(0.05, 0.5))
        self.gateway.process.send_signal(signal.SIGCONT)

    def look(self):
        """Those who look in: one reads, one stops reading, one goes at once."""
        for words in (["flows"], ["tunnels"], ["stats"], ["drops"]):
            self.gateway.flowctl(*words)
        base = [self.gateway.flowctl_program, "--socket", self.gateway.control]
        capture = os.path.join(self.gateway.directory, "capture.pcapng")
        for words, stopped in ((["events"], True), (["capture", "-w", capture], False)):
            child = subprocess.Popen([*base, *words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL)
            self.children.append(child)
            if stopped:
                time.sleep(0.1)
                child.send_signal(signal.SIGSTOP)
        if len(self.children) > 6:
            child = self.children.pop(0)
            child.kill()
            child.communicate()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.connect(self.gateway.control)
            sock.send(b'{"request":"flo')


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(int.from_bytes(data[at:at + 2], "big") for at in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return (~total & 0xFFFF).to_bytes(2, "big")


def syn(source, destination, source_port, destination_port):
    ends = socket.inet_aton(source) + socket.inet_aton(destination)
    tcp = (source_port.to_bytes(2, "big") + destination_port.to_bytes(2, "big") + bytes(7) + b"\1"
           + b"\x50\x02\xff\xff" + bytes(4))
    pseudo = ends + b"\0\6" + len(tcp).to_bytes(2, "big")
    tcp = tcp[:16] + checksum(pseudo + tcp) + tcp[18:]
    head = b"\x45\0" + (20 + len(tcp)).to_bytes(2, "big") + bytes(4) + b"\x40\6\0\0" + ends
    return head[:10] + checksum(head) + head[12:] + tcp
