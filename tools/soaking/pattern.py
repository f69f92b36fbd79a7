"""Bytes that anybody can make again from a seed, and their digest."""
import hashlib
import random


def blob(seed, size):
    return random.Random(seed).randbytes(size)


def digest(data):
    return hashlib.sha256(data).hexdigest()


def read_exactly(stream, size):
    data = stream.read(size)
    if len(data) != size:
        raise EOFError("%d of %d bytes" % (len(data), size))
    return data
