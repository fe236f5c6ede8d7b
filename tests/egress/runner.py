"""The runner under test, as the operator drives it: `sandgate-runner serve` over mutual TLS."""

import base64
import contextlib
import http.client
import itertools
import json
import os
import pathlib
import shutil
import signal
import ssl
import subprocess
import tempfile
import threading

import pki
from world import BIN, PATIENCE, free_port, wait_for

OPERATOR = "URI:spiffe://sandgate.dev/operator"


class Run:
    """A run that has ended."""

    def __init__(self, state):
        self.state, self.outcome = state, state["outcome"]
        self.exit_code, self.error = state["exitCode"], state["errorMessage"]
        self.out = base64.b64decode(state["stdout"]).decode(errors="replace")
        self.err = base64.b64decode(state["stderr"]).decode(errors="replace")
        self.packages, self.error_code = state.get("packages", []), state.get("errorCode", "")

    def __repr__(self):
        return f"{self.outcome} {self.exit_code} {self.error}\n{self.out}\n--\n{self.err}"


class Runner:
    """One sandbox. Its workspace is kept from run to run."""

    def __init__(self, world):
        self.world = world
        # Not below /tmp: every run gets another one.
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="sandgate-runner-", dir="/var/tmp"))
        self.workspace, identity = self.directory / "workspace", self.directory / "identity"
        self.workspace.mkdir()
        identity.mkdir()
        box = world.ours.issue("runner-box-1", pki.sandbox_uri("box-1"), "serverAuth,clientAuth")
        for source, name in zip((*box, world.ours.crt), ("tls.crt", "tls.key", "ca.crt")):
            shutil.copy(source, identity / name)
        self._operator = world.ours.issue("operator", OPERATOR)
        self.port, self.lines, self._ids = free_port(), [], itertools.count(1)
        self.process = subprocess.Popen(
            [BIN / "sandgate-runner", "serve", "--identity", identity, "--sandbox-uid", "box-1",
             "--workspace", self.workspace, "--address", "127.0.0.1", "--port", str(self.port)],
            stderr=subprocess.PIPE, text=True, env={})
        threading.Thread(target=self._read, daemon=True).start()
        wait_for(lambda: self.process.poll() is not None or self.logged("runner ready"),
                 "sign of life")
        assert self.process.poll() is None, self.lines
        self.boot = self.call("GET", "/v1/info")[1]["bootId"]

    def _read(self):
        for text in self.process.stderr:
            self.lines.append(text)

    def logged(self, message):
        return [line for line in self.lines if f'"msg":"{message}"' in line]

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
        code = self.process.wait(PATIENCE)
        shutil.rmtree(self.directory)
        # A sanitizer's word, or a crash nobody noticed.
        assert code in (0, -signal.SIGKILL), self.lines[-20:]

    def call(self, method, path, body=None, identity=None):
        """(status, JSON) of one request."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False  # its URI names it
        context.load_verify_locations(self.world.ours.crt)
        context.load_cert_chain(*(identity or self._operator))
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context,
                                                 timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.request(method, path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            text = answer.read()
        return answer.status, json.loads(text) if text else None

    def network(self, port, domains=("web.test", "allowed.test", "*.wild.test"), authorities=True,
                **grant):
        """As the operator sends it, for the proxy at this port."""
        return {"proxy": f"127.0.0.1:{port}", "domains": list(domains),
                "grant": self.world.key.grant(dom=list(domains), **grant),
                "caBundle": self.world.outside.crt.read_text() if authorities else ""}

    def start(self, code, language="shell", network=None, **limits):
        return self.post({"operation": "Execute", "language": language,
                          "code": base64.b64encode(code.encode()).decode()}, network, **limits)

    def install(self, package, installer, index_url, network, timeout=120, **limits):
        what = {"installer": installer, "package": package, "indexUrl": index_url}
        return self.wait(self.post({"operation": "InstallPackage", "install": what}, network,
                                   timeout=timeout, **limits))

    def post(self, operation, network=None, timeout=60, memory=512 << 20):
        name = f"run-{next(self._ids)}"
        body = {"bootId": self.boot, **operation, "timeoutMillis": timeout * 1000,
                "graceMillis": 500, "memoryBytes": memory, "outputBytes": 1 << 20}
        if network:
            body["network"] = network
        status, answer = self.call("POST", f"/v1/runs/{name}", body)
        assert status == 201, answer
        return name

    def wait(self, name):
        while True:
            state = self.call("GET", f"/v1/runs/{name}?wait=30s")[1]
            if state["finished"]:
                self.call("DELETE", f"/v1/runs/{name}")
                return Run(state)

    def run(self, code, language="shell", network=None, **options):
        return self.wait(self.start(code, language, network, **options))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def rss(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) * 1024
