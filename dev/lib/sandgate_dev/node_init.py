#!/usr/bin/python3
"""Process 1 of the node's namespaces: makes it a place where a kubelet can live, then reaps.

    node_init.py READY-FILE POD-CIDR
"""

import ctypes
import ipaddress
import os
import pathlib
import signal
import subprocess
import sys

MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REC = 2, 4, 8, 16384
MS_PRIVATE, MS_SHARED = 1 << 18, 1 << 20
BRIDGE = "cni0"
_libc = ctypes.CDLL(None, use_errno=True)


def mount(source, target, kind=None, flags=0, data=None):
    encode = lambda text: text.encode() if text else None  # noqa: E731
    if _libc.mount(encode(source), encode(target), encode(kind), flags, encode(data)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"mount {target}: {os.strerror(number)}")


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True)


def private_mounts():
    # Nothing mounted here is seen outside, and the other way round; but volumes may propagate
    # between the kubelet and pods.
    mount(None, "/", flags=MS_REC | MS_PRIVATE)
    mount(None, "/", flags=MS_REC | MS_SHARED)
    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    # What the parts write to fixed paths stays inside: sockets, network namespaces, lock files, log
    # links. As after a machine's boot, all of it is empty at first.
    for target in ("/run", "/var/log"):
        mount("tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
    os.makedirs("/run/lock", exist_ok=True)


def network(pod_cidr):
    ip("link", "set", "lo", "up")
    # The bridge exists before the first pod, since the node's parts want its address.
    gateway = ipaddress.ip_network(pod_cidr)
    ip("link", "add", BRIDGE, "type", "bridge")
    ip("addr", "add", f"{gateway[1]}/{gateway.prefixlen}", "dev", BRIDGE)
    ip("link", "set", BRIDGE, "up")
    for name, value in (("ipv4/ip_forward", "1"), ("bridge/bridge-nf-call-iptables", "1")):
        path = pathlib.Path("/proc/sys/net", name)
        if path.exists():
            path.write_text(value)


def main():
    ready, pod_cidr = sys.argv[1:]
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    private_mounts()
    network(pod_cidr)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    pathlib.Path(ready).touch()
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0] != 0:
                pass
        except ChildProcessError:
            pass
        signal.sigwait({signal.SIGCHLD})


if __name__ == "__main__":
    main()
