"""The gateway's program, and how a caller speaks to it."""

import http.client
import json
import os
import pathlib
import signal
import ssl
import subprocess

import pytest

import kubeapi
from conftest import TENANT
from kubeapi import SYSTEM, path, wait_for

BIN = pathlib.Path(os.environ.get("SANDGATE_BIN", kubeapi.REPO / "build/release/bin"))
CALL_SECONDS = 60
PRINT = {"language": "python", "code": "print(1)"}


class Reply:
    def __init__(self, response):
        self.code = response.status
        self.headers = response.headers
        self.json = json.loads(response.read())

    def __repr__(self):
        return f"{self.code} {json.dumps(self.json)[:500]}"


class Gateway:
    """The program, and how a caller speaks to it."""

    def __init__(self, directory, caller, *options):
        self.directory = directory
        self.log = open(directory / "gateway.log", "w+", encoding="utf-8")
        certificate(directory)
        self.process = subprocess.Popen(
            [
                BIN / "sandgate-gateway",
                "--listen=127.0.0.1:0",
                "--health=127.0.0.1:0",
                f"--tls-cert={directory}/tls.crt",
                f"--tls-key={directory}/tls.key",
                f"--kubeconfig={kubeconfig(directory, caller)}",
                *options,
            ],
            stderr=self.log,
        )
        ports = wait_for(self._ports, "the gateway serves")
        self.port, self.health = int(ports["port"]), int(ports["health"])
        wait_for(lambda: self.plain("/readyz")[0] == 200, "the gateway is ready")

    def lines(self):
        text = pathlib.Path(self.log.name).read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    def _ports(self):
        assert self.process.poll() is None, pathlib.Path(self.log.name).read_text("utf-8")
        return next((line for line in self.lines() if line["msg"] == "serving"), None)

    def plain(self, target):
        connection = http.client.HTTPConnection("127.0.0.1", self.health, timeout=CALL_SECONDS)
        connection.request("GET", target)
        response = connection.getresponse()
        return response.status, response.read().decode()

    def metric(self, line):
        found = [one for one in self.plain("/metrics")[1].splitlines() if one.startswith(line)]
        return float(found[0].rsplit(" ", 1)[1]) if found else 0

    def send(self, method, target, caller, body=None, headers=None):
        context = ssl.create_default_context(cafile=self.directory / "tls.crt")
        connection = http.client.HTTPSConnection(
            "localhost", self.port, timeout=CALL_SECONDS, context=context
        )
        every = {**caller.headers, "Sandgate-Namespace": TENANT, **(headers or {})}
        if body is not None:
            every["Content-Type"] = "application/json"
            body = json.dumps(body)
        connection.request(method, target, body, every)
        return Reply(connection.getresponse())

    def execute(self, caller, body=None, **headers):
        return self.send("POST", "/v1/tools/code_execute", caller, body or PRINT, headers)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(CALL_SECONDS)


def certificate(directory, name="tls"):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        + ["-days", "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
        + ["-keyout", directory / f"{name}.key", "-out", directory / f"{name}.crt"],
        check=True,
        capture_output=True,
    )


def kubeconfig(directory, caller):
    """One for `caller`'s token and nothing else."""
    config = json.loads(pathlib.Path(os.environ["KUBECONFIG"]).read_text("utf-8"))
    token = caller.headers["Authorization"].removeprefix("Bearer ")
    config["users"][0]["user"] = {"token": token}
    file = directory / "kubeconfig"
    file.write_text(json.dumps(config), "utf-8")
    return file


def finish(operator, name, **status):
    """As the operator ends an Execution."""
    url = path("executions", TENANT, name, "status")
    operator.patch(url, {"status": {"phase": "Succeeded", **status}}).must()


@pytest.fixture(scope="module")
def account(cluster, tokens):
    return tokens(SYSTEM, "sandgate-gateway")


@pytest.fixture(scope="module")
def server(account, tmp_path_factory):
    running = Gateway(tmp_path_factory.mktemp("gateway"), account)
    yield running
    assert running.stop() == 0
