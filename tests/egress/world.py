"""The proxy under test with everything around it: resolver, far side, certificates, grants."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request

import pytest

import dns
import pki
import upstream

PATIENCE = 60  # seconds; nothing here takes that long unless it hangs
BIN = pathlib.Path(os.environ.get("SANDGATE_BIN", "build/release/bin"))


def wait_for(condition, what):
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"in {PATIENCE} s there was no {what}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Proxy:
    """One process of sandgate-egress; `audit` are its audit lines, as they come."""

    def __init__(self, world, *options):
        self.port, self.health = free_port(), free_port()
        self.lines, self.audit = [], []
        self._changed = threading.Condition()
        self.process = subprocess.Popen(
            [BIN / "sandgate-egress", "--listen", f"127.0.0.1:{self.port}",
             "--health", f"127.0.0.1:{self.health}", "--tls-dir", world.tls, "--client-ca",
             world.client_ca, "--keys-dir", world.keys, "--resolver", world.dns.address,
             "--allowed-private-cidrs", "127.0.0.1,127.0.0.3,127.0.0.4,::1", "--cluster-cidrs", "52.7.0.0/16", "--drain", "1",
             *options],
            stderr=subprocess.PIPE, text=True, env={"PATH": "/usr/bin"})
        threading.Thread(target=self._read, daemon=True).start()
        wait_for(lambda: self.process.poll() is not None or self.get("/healthz"), "sign of life")
        assert self.process.poll() is None, self.lines

    def _read(self):
        for text in self.process.stderr:
            try:
                line = json.loads(text)
            except ValueError:
                line = {"msg": "", "text": text}
            with self._changed:
                self.lines.append(line)
                if line["msg"] == "egress connection":
                    self.audit.append(line)
                self._changed.notify_all()

    def get(self, path):
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            with urllib.request.urlopen(f"http://127.0.0.1:{self.health}{path}") as answer:
                return answer.read().decode()
        return None

    def ready(self):
        return self.get("/readyz") is not None

    def unready(self):
        """Why it is not ready."""
        with pytest.raises(urllib.error.HTTPError) as refusal:
            urllib.request.urlopen(f"http://127.0.0.1:{self.health}/readyz")
        return refusal.value.read().decode()

    def wait_audit(self, count=1, after=0):
        """The audit lines behind the first `after`, once there are `count`."""
        with self._changed:
            arrived = self._changed.wait_for(lambda: len(self.audit) >= after + count, PATIENCE)
            assert arrived, self.lines[-5:]
            return self.audit[after:]

    def wait_log(self, message):
        with self._changed:
            assert self._changed.wait_for(
                lambda: any(line["msg"] == message for line in self.lines), PATIENCE), self.lines

    def metric(self, name):
        """The sum of the series that begin with `name`."""
        return sum(float(line.rsplit(" ", 1)[1]) for line in self.get("/metrics").splitlines()
                   if line.startswith(name))

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(PATIENCE)
        return self.process.returncode


class World:
    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.ours = pki.Authority(directory, "ours")
        self.outside = pki.Authority(directory, "outside")
        self.tls, self.keys = self.directory / "tls", self.directory / "keys"
        self.tls.mkdir()
        self.keys.mkdir()
        self.client_ca = self.directory / "client-ca.crt"
        shutil.copy(self.ours.crt, self.client_ca)
        self.new_server_certificate("proxy")
        self.key = pki.GrantKey(directory, "grants")
        self.other_key = pki.GrantKey(directory, "others")
        (self.keys / "one.pem").write_bytes(self.key.public_pem)
        self.box = self.ours.issue("box-1", pki.sandbox_uri("box-1"))
        self.far_certificate = self.outside.issue(
            "far", "DNS:allowed.test,DNS:*.wild.test,DNS:v6.test", "serverAuth")
        self.dns = dns.Server()
        self.dns.names.update({"allowed.test": ["127.0.0.1"], "a.wild.test": ["127.0.0.1"],
                               "evil.test": ["127.0.0.1"]})
        self.far = upstream.Server("127.0.0.1", *self.far_certificate)
        self.token = self.key.grant()

    def new_server_certificate(self, name):
        crt, key = self.ours.issue(name, "URI:spiffe://sandgate.dev/egress,DNS:proxy.test",
                                   "serverAuth")
        for source, target in ((key, "tls.key"), (crt, "tls.crt")):
            shutil.copy(source, self.tls / (target + ".new"))
            os.replace(self.tls / (target + ".new"), self.tls / target)

    def close(self):
        self.dns.close()
        self.far.close()

    @contextlib.contextmanager
    def proxy(self, *options):
        proxy = Proxy(self, *options)
        try:
            yield proxy
        finally:
            code = proxy.stop()
            # A sanitizer's word, or a crash nobody noticed.
            assert code in (0, -signal.SIGKILL), [line for line in proxy.lines if "text" in line]

    def outer_context(self, identity=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False  # its URI names it; Python knows no way to ask for one
        context.load_verify_locations(self.ours.crt)
        if identity != ():
            context.load_cert_chain(*(identity or self.box))
        return context

    def connect(self, proxy, identity=None):
        """The outer leg, as a runner has it."""
        raw = socket.create_connection(("127.0.0.1", proxy.port), timeout=PATIENCE)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.outer_context(identity).wrap_socket(raw, server_hostname="proxy.test",
                                                        suppress_ragged_eofs=True)

    def request(self, target="allowed.test:443", token="default", version="1.1", host=None, extra=""):
        token = self.token if token == "default" else token
        grant = f"Sandgate-Grant: {token}\r\n" if token else ""
        host = f"Host: {target}\r\n" if host is None else host
        return f"CONNECT {target} HTTP/{version}\r\n{grant}{host}{extra}\r\n".encode("latin-1")


def read_head(outer):
    data = b""
    while b"\r\n\r\n" not in data:
        more = outer.recv(65536)
        if not more:
            break
        data += more
    return data


def read_all(outer):
    data = b""
    with contextlib.suppress(OSError):
        while more := outer.recv(65536):
            data += more
    return data


class Tunnel:
    """TLS inside an open tunnel."""

    def __init__(self, outer, name, ca, maximum=None, groups=None):
        self.outer = outer
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(ca)
        if maximum:
            context.maximum_version = maximum
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._in, self._out, server_hostname=name)
        self._drive(self.tls.do_handshake)

    def _drive(self, call):
        while True:
            try:
                value = call()
                self._flush()
                return value
            except ssl.SSLWantReadError:
                self._flush()
                data = self.outer.recv(65536)
                if not data:
                    raise ConnectionError("the tunnel ended") from None
                self._in.write(data)

    def _flush(self):
        if data := self._out.read():
            self.outer.sendall(data)

    def send(self, data):
        self.tls.write(data)
        self._flush()

    def receive(self, size):
        data = b""
        while len(data) < size:
            data += self._drive(lambda: self.tls.read(size - len(data)))
        return data

    def close(self):
        with contextlib.suppress(OSError):
            self.outer.unwrap()  # close_notify, both ways
        self.outer.close()
