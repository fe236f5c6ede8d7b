"""The world outside as the egress proxy sees it: a host with a DNS server and HTTPS, in a network
namespace of this machine. Its servers run in this process, so tests read and change them."""

import http.server
import pathlib
import socketserver
import ssl
import sys
import threading
import urllib.parse

from . import nethost

# What the proxy's own tests are made with serves here as well.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "egress"))

import dns  # noqa: E402
import netns  # noqa: E402
import pki  # noqa: E402

IDLE = "import signal\nprint('ready', flush=True)\nsignal.pause()\n"
CERTIFIED = "DNS:allowed.test,DNS:*.wild.test,DNS:evil.test"


class Web(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """HTTPS on port 443. GET /hello greets, /redirect/NAME leads to another host, /wait answers
    when `released` is set, /hold never does; anything else is a file of `directory`."""

    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, address, certificate, key, directory):
        self.directory = directory
        self.accepted = 0  # TCP connections
        self.seen = []  # paths with their queries, as they arrived
        self.held = 0  # requests for /hold whose connection is open
        self.released = threading.Event()
        self.lock = threading.Lock()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        super().__init__((address, 443), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def get_request(self):
        connection, peer = super().get_request()
        self.accepted += 1
        return connection, peer

    def finish_request(self, request, client_address):
        """In the connection's own thread: a client that says nothing holds nobody up."""
        try:
            with self._context.wrap_socket(request, server_side=True) as tls:
                super().finish_request(tls, client_address)
        except OSError:
            request.close()

    def handle_error(self, request, client_address):
        pass  # a client that broke off is a test's business


class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, request, client_address, server):
        super().__init__(request, client_address, server, directory=str(server.directory))

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.seen.append(self.path)
        path = urllib.parse.urlsplit(self.path).path
        if path == "/hello":
            self._answer(200, b"hello from outside\n")
        elif path.startswith("/redirect/"):
            self._answer(302, b"", [("Location", f"https://{path.removeprefix('/redirect/')}/hello")])
        elif path == "/wait":
            self.server.released.wait(300)
            self._answer(200, b"go on\n")
        elif path == "/hold":
            self._hold()
        else:
            super().do_GET()

    def _answer(self, status, body, headers=()):
        self.send_response(status)
        for name, value in [*headers, ("Content-Length", str(len(body)))]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _hold(self):
        with self.server.lock:
            self.server.held += 1
        try:
            while self.connection.recv(1):
                pass
        except OSError:
            pass
        with self.server.lock:
            self.server.held -= 1
        self.close_connection = True


class Outside:
    """For the time of a `with`. `dns.names` is what names resolve to (tests/egress/dns.py)."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.files = self.directory / "files"
        self.files.mkdir()
        self.authority = pki.Authority(self.directory, "outside")
        self.host = nethost.NetHost(IDLE, more=[nethost.SECOND])

    @property
    def ca_pem(self):
        return self.authority.crt.read_text()

    def __enter__(self):
        self.host.__enter__()
        try:
            crt, key = self.authority.issue("far", CERTIFIED, "serverAuth")
            self.dns = self.within(lambda: dns.Server(nethost.HOST, nethost.DNS_PORT))
            self.web = self.within(lambda: Web(nethost.HOST, crt, key, self.files))
        except BaseException:
            self.host.__exit__()
            raise
        self.dns.names.update({name: [nethost.HOST] for name in
                               ("allowed.test", "a.wild.test", "evil.test")})
        return self

    def __exit__(self, *_):
        self.web.shutdown()
        self.web.server_close()
        self.dns.close()
        self.host.__exit__()

    def within(self, make):
        """A server of a test's own on this host."""
        return netns.within(self.host.name, make)
