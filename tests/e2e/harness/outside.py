"""The world outside as the egress proxy sees it: a host with a DNS server and HTTPS, in a network
namespace of this machine. Its servers run in this process, so tests read and change them."""

import pathlib
import sys
import threading

from . import nethost

# What the proxy's own tests are made with serves here as well.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "egress"))

import dns  # noqa: E402
import netns  # noqa: E402
import pki  # noqa: E402
import web  # noqa: E402

IDLE = "import signal\nprint('ready', flush=True)\nsignal.pause()\n"
PATIENCE = 300  # seconds that /wait waits at the most
CERTIFIED = "DNS:allowed.test,DNS:*.wild.test,DNS:evil.test"


class Behaviour:
    """Pages of the web server that do more than answer: /wait/... answers when `released` is set,
    /hold never does, /redirect/NAME leads to another host."""

    def __init__(self, server):
        self.released = threading.Event()
        self.held = 0  # requests for /hold whose connection is open
        self._lock = threading.Lock()
        server.actions.update(wait=self._wait, hold=self._hold, redirect=self._redirect)

    def _wait(self, handler):
        self.released.wait(PATIENCE)
        handler.answer(200, b"go on\n")

    def _hold(self, handler):
        with self._lock:
            self.held += 1
        try:
            while handler.connection.recv(1):
                pass
        except OSError:
            pass
        with self._lock:
            self.held -= 1
        handler.close_connection = True

    @staticmethod
    def _redirect(handler):
        handler.answer(302, b"", ("Location", f"https://{handler.path.split('/')[2]}/"))


class Outside:
    """For the time of a `with`. `dns.names` is what names resolve to (tests/egress/dns.py)."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.authority = pki.Authority(self.directory, "outside")
        self.host = nethost.NetHost(IDLE, more=[nethost.SECOND])

    def asked(self, path):
        """Whether somebody asked for that path."""
        return any(seen == path for _, seen in self.web.asked)

    @property
    def ca_pem(self):
        return self.authority.crt.read_text()

    def __enter__(self):
        self.host.__enter__()
        try:
            crt, key = self.authority.issue("far", CERTIFIED, "serverAuth")
            self.dns = self.within(lambda: dns.Server(nethost.HOST, nethost.DNS_PORT))
            self.web = self.within(lambda: web.Server(nethost.HOST, crt, key, "allowed.test",
                                                      self.directory))
            self.behaviour = Behaviour(self.web)
        except BaseException:
            self.host.__exit__()
            raise
        self.dns.names.update({name: [nethost.HOST] for name in
                               ("allowed.test", "a.wild.test", "evil.test")})
        return self

    def __exit__(self, *_):
        self.web.close()
        self.dns.close()
        self.host.__exit__()

    def within(self, make):
        """A server of a test's own on this host."""
        return netns.within(self.host.name, make)
