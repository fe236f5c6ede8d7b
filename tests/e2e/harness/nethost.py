"""A host outside the cluster: a network namespace of this machine with a TCP and a UDP server."""

import os
import subprocess
import sys

from .wait import until

# RFC 2544's benchmarking range: nobody's real host, and no private address either.
OUTSIDE, HOST, SECOND = "198.18.77.1", "198.18.77.2", "198.18.77.3"
PREFIX = 29
TCP_PORT, DNS_PORT = 8080, 53

SERVER = f"""
import socket, threading
tcp = socket.create_server(("{HOST}", {TCP_PORT}))
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("{HOST}", {DNS_PORT}))
def answer():
    while True:
        data, peer = udp.recvfrom(4096)
        udp.sendto(data, peer)
threading.Thread(target=answer, daemon=True).start()
print("ready", flush=True)
while True:
    connection, _ = tcp.accept()
    connection.sendall(b"hello\\n")
    connection.close()
"""


class NetHost:
    """For the time of a `with`."""

    def __init__(self, server=SERVER, more=()):
        self.program = server  # says "ready" on its first line
        self.addresses = [HOST, *more]
        # Both names differ from run to run: an earlier one that was killed may still be there.
        self.name = f"sgtest{os.getpid()}"
        self.server = None

    def __enter__(self):
        self._remove_leftovers()
        inside = f"{self.name}b"
        self._ip("netns", "add", self.name)
        try:
            self._ip("link", "add", self.name, "type", "veth", "peer", "name", inside,
                     "netns", self.name)
            self._ip("addr", "add", f"{OUTSIDE}/{PREFIX}", "dev", self.name)
            self._ip("link", "set", self.name, "up")
            within = ("-n", self.name)
            for address in self.addresses:
                self._ip(*within, "addr", "add", f"{address}/{PREFIX}", "dev", inside)
            self._ip(*within, "link", "set", inside, "up")
            self._ip(*within, "link", "set", "lo", "up")
            self._ip(*within, "route", "add", "default", "via", OUTSIDE)
            self.server = subprocess.Popen(
                ["ip", "netns", "exec", self.name, sys.executable, "-c", self.program],
                stdout=subprocess.PIPE, text=True)
            until(lambda: self.server.stdout.readline() == "ready\n", "the test host answers")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.server:
            self.server.kill()
            self.server.wait()
        # The link by itself: the namespace lives on until the last socket in it is closed.
        for words in (["link", "del", self.name], ["netns", "del", self.name]):
            subprocess.run(["ip", *words], check=False, capture_output=True)

    @staticmethod
    def _ip(*arguments):
        subprocess.run(["ip", *arguments], check=True, capture_output=True)

    def _remove_leftovers(self):
        """Of a run whose process is gone: its address would shadow ours."""
        listed = subprocess.run(["ip", "netns", "list"], check=True, capture_output=True, text=True)
        for line in listed.stdout.splitlines():
            name = line.split()[0]
            if name.startswith("sgtest") and not os.path.exists(f"/proc/{name[6:]}"):
                subprocess.run(["ip", "netns", "del", name], check=False)
