"""Holds the packets of one NFQUEUE and lets each of them go after a delay: delay.py QUEUE DELAY_US JITTER_US.

The stand-in for delay.c on machines without a compiler: the same arguments, the same conversation, the standard library.
"""

import bisect
import os
import random
import select
import socket
import statistics
import struct
import sys
import time

NETLINK_NETFILTER, NETLINK_NO_ENOBUFS, SOL_NETLINK = 12, 5, 270
PACKET, VERDICT, CONFIG = (3 << 8) | 0, (3 << 8) | 1, (3 << 8) | 2
NLMSG_ERROR, NLM_F_REQUEST, NLM_F_ACK = 2, 1, 4
ACCEPT, BIND, COPY_META, LARGE_PACKETS = 1, 1, 1, 4


def attribute(kind, value):
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def message(kind, flags, attributes):
    body = struct.pack(">BBH", 0, 0, queue) + attributes
    return struct.pack("=IHHII", 16 + len(body), kind, NLM_F_REQUEST | flags, 0, 0) + body


def configure(attributes):
    netlink.send(message(CONFIG, NLM_F_ACK, attributes))
    answer = netlink.recv(4096)
    kind, error = struct.unpack_from("=H", answer, 4)[0], struct.unpack_from("=i", answer, 16)[0]
    if kind == NLMSG_ERROR and error != 0:
        sys.exit(f"cannot open the queue: {os.strerror(-error)}")


def packet_ids(data):
    at = 0
    while at + 16 <= len(data):
        size, kind = struct.unpack_from("=IH", data, at)
        if size < 16:
            return
        inner = at + 20
        while kind == PACKET and inner + 4 <= at + size:
            length, name = struct.unpack_from("=HH", data, inner)
            if length < 4:
                break
            if name & 0x3FFF == 1:
                yield struct.unpack_from(">I", data, inner + 4)[0]
                break
            inner += length + (-length % 4)
        at += size + (-size % 4)


def release_due():
    while held and held[0][0] <= time.monotonic():
        due, packet = held.pop(0)
        netlink.send(message(VERDICT, 0, attribute(2, struct.pack(">II", ACCEPT, packet))))
        lateness.append((time.monotonic() - due) * 1e3)


def report():
    middle = statistics.median(lateness) if lateness else 0
    worst = max(lateness, default=0)
    print(f"held {len(lateness)} packets, late by {middle:.2f} ms at the median and {worst:.2f} ms at most", flush=True)


queue = int(sys.argv[1])
delay, jitter = (float(argument) / 1e6 for argument in sys.argv[2:4])
held, lateness = [], []
netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
netlink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
netlink.setsockopt(SOL_NETLINK, NETLINK_NO_ENOBUFS, 1)
netlink.connect((0, 0))
configure(attribute(1, struct.pack(">BBH", BIND, 0, 0)))
configure(attribute(2, struct.pack(">IB", 0, COPY_META)))
configure(attribute(3, struct.pack(">I", 20000)))
configure(attribute(5, struct.pack(">I", LARGE_PACKETS)) + attribute(4, struct.pack(">I", LARGE_PACKETS)))
netlink.setblocking(False)
print("ready", flush=True)
while True:
    release_due()
    patience = max(0, held[0][0] - time.monotonic()) if held else None
    readable, _, _ = select.select([netlink, sys.stdin], [], [], patience)
    if sys.stdin in readable:
        if not os.read(sys.stdin.fileno(), 4096):
            break
        report()
    while True:
        try:
            data = netlink.recv(65536)
        except BlockingIOError:
            break
        due = time.monotonic() + delay + random.uniform(-jitter, jitter)
        for packet in packet_ids(data):
            bisect.insort(held, (due, packet))
