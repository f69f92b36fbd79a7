#!/usr/bin/env python3
"""A tunnel back end in a few lines: pings 192.0.2.1's port 80 with a raw SYN, through a running
`liftgate serve`, and shows what comes back.

    examples/seqpacket_client.py /path/to/onramp.sock 192.0.2.1 80
"""
import json
import socket
import struct
import sys


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def syn(source, destination, source_port, destination_port):
    ends = socket.inet_aton(source) + socket.inet_aton(destination)
    tcp = struct.pack("!HHIIBBHHH", source_port, destination_port, 1, 0, 5 << 4, 0x02, 65535, 0, 0)
    pseudo = ends + struct.pack("!BBH", 0, socket.IPPROTO_TCP, len(tcp))
    tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 1, 0, 64, socket.IPPROTO_TCP, 0) + ends
    return ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:] + tcp


if len(sys.argv) != 4 or not sys.argv[3].isdecimal():
    sys.exit(f"usage: {sys.argv[0]} PATH-OF-ONRAMP ADDRESS PORT")
path, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
tunnel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
tunnel.connect(path)
context = {"version": 1, "tenant": "default", "addresses": ["100.64.0.2/32"], "reply": True}
tunnel.send(json.dumps(context).encode())
print("gateway:", tunnel.recv(16384).decode())
tunnel.send(syn("100.64.0.2", host, 40000, port))
answer = tunnel.recv(65535)
protocol, offset = answer[9], (answer[0] & 15) * 4
if protocol == socket.IPPROTO_TCP:
    flags = answer[offset + 13]
    print(f"{host}:{port} answered", "SYN-ACK" if flags == 0x12 else "RST" if flags & 4 else hex(flags))
else:
    print(f"ICMP type {answer[offset]} code {answer[offset + 1]}")
