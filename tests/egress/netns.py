"""A network namespace of the tests' own: port 443 and every loopback address are free in it."""

import contextlib
import ctypes
import fcntl
import os
import socket
import struct
import threading

CLONE_NEWNET = 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
_libc = ctypes.CDLL(None, use_errno=True)


def _check(result):
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _raise_loopback():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(control, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))


@contextlib.contextmanager
def fresh():
    """This thread, and the threads and processes it starts, live in a new namespace."""
    with open("/proc/thread-self/ns/net", "rb") as before:
        _check(_libc.unshare(CLONE_NEWNET))
        try:
            _raise_loopback()
            yield
        finally:
            _check(_libc.setns(before.fileno(), CLONE_NEWNET))


def within(name, make):
    """What `make` returns when it is called in the namespace of that name (ip netns): sockets that
    it opens stay there, whoever uses them."""
    made = []

    def enter():
        with open(f"/var/run/netns/{name}", "rb") as target:
            _check(_libc.setns(target.fileno(), CLONE_NEWNET))
        made.append(make())

    # A namespace is a thread's own; this one ends with its work.
    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if not made:
        raise RuntimeError(f"nothing was made in the namespace {name}: see the thread's exception")
    return made[0]
