"""A client of the Kubernetes API over HTTP: what a user sends, and nothing that hides it."""

import base64
import http.client
import json
import os
import ssl
import tempfile
import threading
import time
import urllib.parse

from .wait import POLL_SECONDS, Transient

REQUEST_SECONDS = 60
BUSY_SECONDS = 60
SANDGATE = "/apis/sandgate.dev/v1alpha1"
GROUPS = {
    "sandboxes": SANDGATE, "executions": SANDGATE, "approvals": SANDGATE,
    "deployments": "/apis/apps/v1", "networkpolicies": "/apis/networking.k8s.io/v1",
    "rolebindings": "/apis/rbac.authorization.k8s.io/v1",
    "clusterroles": "/apis/rbac.authorization.k8s.io/v1",
    "leases": "/apis/coordination.k8s.io/v1", "runtimeclasses": "/apis/node.k8s.io/v1",
    "poddisruptionbudgets": "/apis/policy/v1",
    "validatingadmissionpolicies": "/apis/admissionregistration.k8s.io/v1",
    "validatingadmissionpolicybindings": "/apis/admissionregistration.k8s.io/v1",
    "mutatingadmissionpolicies": "/apis/admissionregistration.k8s.io/v1",
    "mutatingadmissionpolicybindings": "/apis/admissionregistration.k8s.io/v1",
}
CLUSTER_SCOPED = {"namespaces", "nodes", "clusterroles", "runtimeclasses",
                  "validatingadmissionpolicies", "validatingadmissionpolicybindings",
                  "mutatingadmissionpolicies", "mutatingadmissionpolicybindings"}
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"


class ApiError(Exception):
    """A refusal by the API server; `.message` is what kubectl would print."""

    def __init__(self, code, body):
        self.code, self.body = code, body
        try:
            self.status = json.loads(body)
        except ValueError:
            self.status = {}
        self.reason = self.status.get("reason", "")
        self.message = self.status.get("message", body[:500])
        super().__init__(f"{code} {self.reason}: {self.message}")


def path_of(resource, namespace=None, name=None, subresource=None):
    parts = [GROUPS.get(resource, "/api/v1")]
    if namespace and resource not in CLUSTER_SCOPED:
        parts += ["namespaces", namespace]
    parts.append(resource)
    parts += [part for part in (name, subresource) if part]
    return "/".join(parts)


class Kube:
    """One user. Threads may share it: each has a connection of its own."""

    def __init__(self, server, context, headers=None):
        self.url = urllib.parse.urlsplit(server)
        self.server, self.context = server, context
        self.headers = headers or {}
        self.local = threading.local()

    def as_token(self, token):
        """The same server, for the owner of a bearer token alone (no client certificate)."""
        bare = ssl.create_default_context(cadata=self.context.ca_text)
        bare.ca_text = self.context.ca_text
        return Kube(self.server, bare, {"Authorization": f"Bearer {token}"})

    @property
    def token(self):
        return self.headers["Authorization"].removeprefix("Bearer ")

    def connect(self, seconds=REQUEST_SECONDS):
        return http.client.HTTPSConnection(self.url.hostname, self.url.port, timeout=seconds,
                                           context=self.context)

    def send(self, method, path, body=None, content_type="application/json"):
        """(status, text). A connection that the server closed in between is opened again once."""
        data = body if body is None or isinstance(body, (bytes, str)) else json.dumps(body)
        if isinstance(data, str):
            data = data.encode()
        headers = dict(self.headers, Accept="application/json")
        if data is not None:
            headers["Content-Type"] = content_type
        for attempt in (1, 2):
            connection = getattr(self.local, "connection", None) or self.connect()
            kept, self.local.connection = connection.sock is not None, None
            try:
                connection.request(method, path, data, headers)
                answer = connection.getresponse()
                text = answer.read().decode()
                self.local.connection = connection
                return answer.status, text
            except (OSError, http.client.HTTPException) as problem:
                connection.close()
                if not kept or attempt == 2:
                    raise Transient(f"{method} {path}: {problem!r}") from problem

    def call(self, method, path, body=None, content_type="application/json"):
        """The answer's object. 429 and 503 are refusals before anything was done (the API server
        starts, or is busy): sent again for a while, as client-go does."""
        end = time.monotonic() + BUSY_SECONDS
        while True:
            code, text = self.send(method, path, body, content_type)
            if code not in (429, 503) or time.monotonic() > end:
                break
            time.sleep(POLL_SECONDS)
        if code in (429, 502, 503, 504):
            raise Transient(f"{method} {path}: {code} {text[:200]}")
        if code >= 400:
            raise ApiError(code, text)
        return json.loads(text)

    def get(self, resource, namespace=None, name=None):
        return self.call("GET", path_of(resource, namespace, name))

    def find(self, resource, namespace=None, name=None):
        """Like get, or None when it is not there."""
        try:
            return self.get(resource, namespace, name)
        except ApiError as problem:
            if problem.code == 404:
                return None
            raise

    def list(self, resource, namespace=None, selector=None):
        path = path_of(resource, namespace)
        if selector:
            path += "?labelSelector=" + urllib.parse.quote(selector)
        return self.call("GET", path)["items"]

    def create(self, resource, namespace, body, subresource=None, name=None):
        return self.call("POST", path_of(resource, namespace, name, subresource), body)

    def patch(self, resource, namespace, name, body, subresource=None):
        kind = JSON_PATCH if isinstance(body, list) else MERGE_PATCH
        return self.call("PATCH", path_of(resource, namespace, name, subresource), body, kind)

    def delete(self, resource, namespace=None, name=None, grace=None):
        body = None if grace is None else {"gracePeriodSeconds": grace}
        return self.call("DELETE", path_of(resource, namespace, name), body)

    def watch(self, resource, namespace, version, seconds=30):
        """Yields (type, object) for about `seconds`, from a resource version on."""
        query = urllib.parse.urlencode({"watch": 1, "resourceVersion": version,
                                        "timeoutSeconds": seconds})
        connection = self.connect(seconds + REQUEST_SECONDS)
        try:
            connection.request("GET", f"{path_of(resource, namespace)}?{query}",
                               headers=self.headers)
            answer = connection.getresponse()
            if answer.status != 200:
                raise Transient(f"watch: {answer.status}")
            while line := answer.readline():
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise Transient(f"watch: {event['object']}")
                yield event["type"], event["object"]
        except (OSError, http.client.HTTPException, ValueError) as problem:
            raise Transient(f"watch: {problem!r}") from problem
        finally:
            connection.close()

    def service_account_token(self, namespace, name, seconds=7200):
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
                   "spec": {"expirationSeconds": seconds}}
        return self.create("serviceaccounts", namespace, request, "token", name)["status"]["token"]


def _material(entry, key):
    """A kubeconfig's member given as a path or as base64 data."""
    if key + "-data" in entry:
        return base64.b64decode(entry[key + "-data"]).decode()
    with open(entry[key], encoding="utf-8") as file:
        return file.read()


def from_kubeconfig(path):
    """The user of a kubeconfig's current context."""
    import yaml
    with open(path, encoding="utf-8") as file:
        config = yaml.safe_load(file)

    def named(list_key, key, name):
        return next(entry[key] for entry in config[list_key] if entry["name"] == name)
    context = named("contexts", "context", config["current-context"])
    cluster = named("clusters", "cluster", context["cluster"])
    user = named("users", "user", context["user"])
    ca_text = _material(cluster, "certificate-authority")
    tls = ssl.create_default_context(cadata=ca_text)
    tls.ca_text = ca_text
    headers = {}
    if "token" in user:
        headers["Authorization"] = f"Bearer {user['token']}"
    else:
        with tempfile.NamedTemporaryFile("w", delete=False) as both:
            both.write(_material(user, "client-certificate") + "\n" + _material(user, "client-key"))
        tls.load_cert_chain(both.name)
        os.unlink(both.name)
    return Kube(cluster["server"], tls, headers)
