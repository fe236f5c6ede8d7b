"""A small Kubernetes client for tests: one kept connection, callers with tokens or by impersonation."""

import copy
import http.client
import itertools
import json
import os
import pathlib
import ssl
import subprocess
import time
import urllib.parse

GROUP = "/apis/sandgate.dev/v1alpha1"
SYSTEM = "sandgate-system"
OPERATOR = f"system:serviceaccount:{SYSTEM}:sandgate-operator"
POLICIES = "/apis/admissionregistration.k8s.io/v1"
YES = {"spec": {"decision": {"verdict": "Approved"}}}
NO = {"spec": {"decision": {"verdict": "Denied", "reason": "no"}}}
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"
REPO = pathlib.Path(__file__).resolve().parents[2]
WAIT_SECONDS = 60  # a bound for a busy machine, never what a test measures
_serial = itertools.count(1)


def unique(prefix):
    return f"{prefix}-{next(_serial)}"


def path(resource, namespace, name="", subresource=""):
    parts = [GROUP, "namespaces", namespace, resource, name, subresource]
    return "/".join(part for part in parts if part)


def core(resource, namespace, name="", subresource=""):
    parts = ["/api/v1", "namespaces", namespace, resource, name, subresource]
    return "/".join(part for part in parts if part)


class Answer:
    """HTTP status, and the body as JSON."""

    def __init__(self, code, body):
        self.code = code
        self.body = body

    @property
    def ok(self):
        return 200 <= self.code < 300

    @property
    def message(self):
        return self.body.get("message", "") if isinstance(self.body, dict) else str(self.body)

    def must(self):
        assert self.ok, f"{self.code}: {self.message}"
        return self.body

    def refused(self, *words):
        """Refused as the caller's fault, with all these words in the message."""
        assert 400 <= self.code < 500, f"{self.code}: not refused: {json.dumps(self.body)[:600]}"
        for word in words:
            assert word in self.message, f"{word!r} is not in: {self.message}"
        return self


class Caller:
    def __init__(self, kubeconfig, **headers):
        config = json.loads(pathlib.Path(kubeconfig).read_text())
        cluster = config["clusters"][0]["cluster"]
        user = config["users"][0]["user"]
        self._context = ssl.create_default_context(cafile=cluster["certificate-authority"])
        if "client-certificate" in user:
            self._context.load_cert_chain(user["client-certificate"], user["client-key"])
        server = urllib.parse.urlsplit(cluster["server"])
        self._address = (server.hostname, server.port)
        self._connection = None
        self.headers = dict(headers)
        if "token" in user:
            self.headers["Authorization"] = f"Bearer {user['token']}"

    def acting(self, user, groups=(), uid=None):
        """This caller, impersonating somebody."""
        other = copy.copy(self)
        other._connection = None
        other.headers = dict(self.headers)
        other.headers["Impersonate-User"] = user
        other._groups = list(groups)
        if uid:
            other.headers["Impersonate-Uid"] = uid
        return other

    def with_token(self, token):
        other = copy.copy(self)
        other._connection = None
        other._context = ssl.create_default_context(
            cafile=os.environ["SANDGATE_TESTENV"] + "/ca.crt"
        )
        other.headers = {"Authorization": f"Bearer {token}"}
        return other

    _groups = ()

    def request(self, method, url, body=None, content_type="application/json", **query):
        if query:
            url += "?" + urllib.parse.urlencode(query)
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        for attempt in (1, 2):  # a kept connection may have been closed meanwhile
            try:
                if self._connection is None:
                    self._connection = http.client.HTTPSConnection(
                        *self._address, context=self._context, timeout=60
                    )
                self._connection.putrequest(method, url)
                for name, value in self.headers.items():
                    self._connection.putheader(name, value)
                for group in self._groups:
                    self._connection.putheader("Impersonate-Group", group)
                if data is not None:
                    self._connection.putheader("Content-Type", content_type)
                    self._connection.putheader("Content-Length", str(len(data)))
                self._connection.putheader("Accept", "application/json")
                self._connection.endheaders(data)
                response = self._connection.getresponse()
                text = response.read()
                break
            except (http.client.HTTPException, ConnectionError, ssl.SSLEOFError):
                self._connection = None
                if attempt == 2:
                    raise
        try:
            return Answer(response.status, json.loads(text))
        except ValueError:
            return Answer(response.status, text.decode(errors="replace"))

    def get(self, url, **query):
        return self.request("GET", url, **query)

    def create(self, url, body, **query):
        return self.request("POST", url, body, **query)

    def replace(self, url, body, **query):
        return self.request("PUT", url, body, **query)

    def patch(self, url, body, content_type=MERGE, **query):
        return self.request("PATCH", url, body, content_type, **query)

    def apply(self, url, body, **query):
        return self.patch(url, body, APPLY, fieldManager="test", **query)

    def delete(self, url, body=None, **query):
        return self.request("DELETE", url, body, **query)


def wait_for(condition, what):
    """Polls until condition() is true; returns its value."""
    end = time.monotonic() + WAIT_SECONDS
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"timed out: {what}"
        time.sleep(0.05)  # between two looks at the condition


def kubectl(*arguments, user=None, stdin=None):
    """Runs kubectl as admin or as a static-token user. Returns (exit code, output)."""
    command = ["kubectl"]
    if user:
        command.append(f"--kubeconfig={os.environ['SANDGATE_TESTENV']}/{user}.kubeconfig")
    done = subprocess.run(
        command + list(arguments), input=stdin, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def helm(*arguments):
    done = subprocess.run(["helm", *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def sandbox(namespace, name=None, **spec):
    return {
        "apiVersion": "sandgate.dev/v1alpha1",
        "kind": "Sandbox",
        "metadata": {"namespace": namespace, "name": name or unique("sb")},
        "spec": spec or {"language": "python"},
    }


def execution(namespace, name=None, **spec):
    return {
        "apiVersion": "sandgate.dev/v1alpha1",
        "kind": "Execution",
        "metadata": {"namespace": namespace, "name": name or unique("ex")},
        "spec": spec
        or {
            "sandboxName": "one",
            "operation": "Execute",
            "execute": {"language": "python", "code": "print(1)"},
        },
    }


RUN = {"sandboxName": "one", "operation": "Execute", "execute": {"language": "python", "code": "1"}}


def with_run(**members):
    return {**RUN, **members}


def only(operation, **members):
    return {"sandboxName": "one", "operation": operation, **members}


def approval(namespace, requester, risk="HIGH", name=None, **request):
    name = name or unique("ap")
    return {
        "apiVersion": "sandgate.dev/v1alpha1",
        "kind": "Approval",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {
            "request": {
                "executionName": name,
                "executionUID": "e-1",
                "sandboxName": "one",
                "sandboxUID": "s-1",
                "risk": risk,
                "reasons": ["code"],
                "requester": requester,
                "specHash": "0" * 64,
                "policyRevision": "r1",
                "expiresAt": "2100-01-01T00:00:00Z",
                "summary": {"tool": "code_execute", "text": "runs code"},
                **request,
            }
        },
    }


def name_of(url):
    return url.rsplit("/", 1)[1]


def undecided(admin, url):
    """The Approval, which nobody has decided."""
    stored = admin.get(url).must()
    assert "decision" not in stored["spec"], stored["spec"]["decision"]
    return stored
