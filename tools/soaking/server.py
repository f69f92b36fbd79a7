"""The other end of all traffic of tools/soak: TCP and UDP on one port, of both families.

    server.py PORT

A line `get SEED SIZE` is answered with the blob, `put SIZE` and so many bytes with their digest,
`echo SIZE` and so many bytes with the same, `rest` and bytes up to the FIN with the digest of those.
UDP is sent back as it comes.
"""
import os
import socket
import socketserver
import sys
import threading

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from pattern import blob, digest, read_exactly  # noqa: E402


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        try:
            while line := self.rfile.readline():
                words = line.decode().split()
                if words[0] == "get":
                    self.wfile.write(blob(int(words[1]), int(words[2])))
                elif words[0] == "put":
                    self.wfile.write(digest(read_exactly(self.rfile, int(words[1]))).encode() + b"\n")
                elif words[0] == "echo":
                    self.wfile.write(read_exactly(self.rfile, int(words[1])))
                elif words[0] == "rest":
                    self.wfile.write(digest(self.rfile.read()).encode() + b"\n")
        except (OSError, EOFError):
            pass  # the client went, as some do on purpose

    def finish(self):
        try:
            super().finish()
        except OSError:
            pass


class Server(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 1024


def echo_datagrams(port):
    udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    # Answers leave from the address that was spoken to, which a socket for all does not see to.
    udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    udp.bind(("::", port))
    while True:
        data, ancillary, _, sender = udp.recvmsg(65535, 256)
        try:
            udp.sendmsg([data], [(level, kind, value) for level, kind, value in ancillary], 0, sender)
        except OSError:
            pass


if __name__ == "__main__":
    port = int(sys.argv[1])
    threading.Thread(target=echo_datagrams, args=(port,), daemon=True).start()
    Server(("::", port), Handler).serve_forever()
