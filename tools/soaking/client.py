"""Traffic of one client of tools/soak, for so many seconds; prints what came of it as JSON.

    client.py SERVER4 SERVER6 PORT SECONDS SEED

`done` counts what went well, by kind, `cut` what a fault cut off (a reset, a timeout, an end too
early), `wrong` what arrived as something else: that is never right, whatever happens meanwhile.
"""
import collections
import errno
import json
import os
import random
import socket
import struct
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from pattern import blob, digest, read_exactly  # noqa: E402

PATIENCE = 20  # seconds: longer than any fault lasts
CLOSED_PORT = 9


class Wrong(Exception):
    pass


class Client:
    def __init__(self, servers, port, seconds, seed):
        self.servers, self.port = servers, port
        self.end = time.monotonic() + seconds
        self.seed = seed
        self.lock = threading.Lock()
        self.done, self.cut, self.wrong = collections.Counter(), collections.Counter(), []
        self.bytes = 0

    # ---- One of each kind; raises OSError or EOFError when it is cut off ----

    def connect(self, chance, port=None):
        return socket.create_connection((chance.choice(self.servers), port or self.port), PATIENCE)

    def check(self, what, expected, got):
        if expected != got:
            raise Wrong("%s: expected %s, got %s" % (what, expected, got))

    def download(self, chance):
        seed, size = chance.randrange(1 << 30), chance.choice((1, 1000, 100_000, 3_000_000))
        with self.connect(chance) as sock, sock.makefile("rb") as stream:
            sock.sendall(b"get %d %d\n" % (seed, size))
            self.check("download", digest(blob(seed, size)), digest(read_exactly(stream, size)))
        return size

    def upload(self, chance):
        data = blob(chance.randrange(1 << 30), chance.choice((1, 1000, 100_000, 3_000_000)))
        with self.connect(chance) as sock, sock.makefile("rb") as stream:
            sock.sendall(b"put %d\n" % len(data))
            sock.sendall(data)
            self.check("upload", digest(data), read_exactly(stream, 65).decode().strip())
        return len(data)

    def half_close(self, chance):
        data = blob(chance.randrange(1 << 30), chance.randrange(200_000))
        with self.connect(chance) as sock, sock.makefile("rb") as stream:
            sock.sendall(b"rest\n" + data)
            sock.shutdown(socket.SHUT_WR)
            self.check("half-close", digest(data), stream.read().decode().strip() or "nothing")
        return len(data)

    def short(self, chance):
        data = blob(chance.randrange(1 << 30), 100)
        with self.connect(chance) as sock, sock.makefile("rb") as stream:
            sock.sendall(b"echo 100\n" + data)
            self.check("short", digest(data), digest(read_exactly(stream, 100)))
        return 100

    def long(self, chance):
        """Asks now and then, and is idle between."""
        with self.connect(chance) as sock, sock.makefile("rb") as stream:
            for _ in range(5):
                data = blob(chance.randrange(1 << 30), 1000)
                sock.sendall(b"echo 1000\n" + data)
                self.check("long", digest(data), digest(read_exactly(stream, 1000)))
                time.sleep(min(1.0, max(0.0, self.end - time.monotonic())))
        return 5000

    def abort(self, chance):
        sock = self.connect(chance)
        sock.sendall(b"get 1 1000000\n")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
        return 0

    def refused(self, chance):
        try:
            self.connect(chance, CLOSED_PORT).close()
        except ConnectionRefusedError:
            return 0
        raise Wrong("a closed port took a connection")

    def datagrams(self, chance):
        server = chance.choice(self.servers)
        family = socket.AF_INET6 if ":" in server else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.settimeout(2)
            sock.connect((server, self.port))
            for _ in range(20):
                # The longest is fragmented where the MTU is small.
                data = blob(chance.randrange(1 << 30), chance.choice((0, 64, 1300, 4000)))
                sock.send(data)
                # A datagram may be lost, and one that was late for the last question may come now.
                got = sock.recv(65535)
                if got == data:
                    with self.lock:
                        self.bytes += len(data)
        return 0

    KINDS = ("download", "upload", "half_close", "short", "short", "short", "long", "abort", "refused",
             "datagrams")

    def work(self, number):
        chance = random.Random("%d-%d" % (self.seed, number))
        while time.monotonic() < self.end:
            kind = chance.choice(self.KINDS)
            try:
                size = getattr(self, kind)(chance)
                with self.lock:
                    self.done[kind] += 1
                    self.bytes += size
            except Wrong as wrong:
                with self.lock:
                    self.wrong.append(str(wrong))
            except (OSError, EOFError) as error:
                name = errno.errorcode.get(getattr(error, "errno", None) or 0, type(error).__name__)
                with self.lock:
                    self.cut["%s: %s" % (kind, name)] += 1
                time.sleep(0.2)

    def run(self, threads):
        workers = [threading.Thread(target=self.work, args=(number,)) for number in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        print(json.dumps({"done": self.done, "cut": self.cut, "wrong": self.wrong[:10],
                          "bytes": self.bytes}))


if __name__ == "__main__":
    Client(sys.argv[1:3], int(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5])).run(threads=6)
