"""A team's namespace: its agents, its approvers, and what they make in it."""

import base64
import gzip
import hashlib
import secrets

from .approver import Approver
from .gateway import Gateway
from .kube import ApiError
from .wait import until

FINAL = {"Succeeded", "Failed", "TimedOut", "Denied", "Expired", "Cancelled", "Lost"}
API = "sandgate.dev/v1alpha1"
READY_SECONDS = 180


def unique(prefix):
    return f"{prefix}-{secrets.token_hex(3)}"


def condition(thing, kind):
    """{"status", "reason", "message"} of a condition, or an empty one."""
    for entry in thing.get("status", {}).get("conditions", []):
        if entry["type"] == kind:
            return entry
    return {"status": "", "reason": "", "message": ""}


class Run:
    """One Execution, by name."""

    def __init__(self, user, namespace, name, reader=None):
        self.user, self.namespace, self.name = user, namespace, name
        self.reader = reader or user
        self.last = {}

    def fetch(self):
        self.last = self.user.get("executions", self.namespace, self.name)
        return self.last

    @property
    def status(self):
        return self.last.get("status", {})

    @property
    def phase(self):
        return self.status.get("phase")

    def wait(self, *phases, seconds=240):
        """Until it is in one of these phases; a final one that is not asked for is a failure."""
        def there():
            self.fetch()
            if self.phase in phases:
                return self
            assert self.phase not in FINAL, f"{self.name}: {self.status}"
            return None
        return until(there, f"Execution {self.name} is {'/'.join(phases)}", seconds)

    def finish(self, seconds=240):
        def there():
            self.fetch()
            return self if self.phase in FINAL else None
        return until(there, f"Execution {self.name} ends", seconds)

    def cancel(self):
        return self.user.patch("executions", self.namespace, self.name, {"spec": {"cancel": True}})

    @property
    def exit_code(self):
        return self.status.get("exitCode")

    @property
    def error(self):
        return self.status.get("error", {}).get("code", "")

    @property
    def stdout(self):
        return self.stream("stdout")

    @property
    def stderr(self):
        return self.stream("stderr")

    @property
    def content(self):
        """The bytes of the file that a ReadFile read."""
        if self.status["contentEncoding"] == "base64":
            return base64.b64decode(self.stdout, validate=True)
        return self.stdout.encode()

    @property
    def files(self):
        """The entries of a listing: {name's bytes: entry}, in the answer's order."""
        return {base64.b64decode(entry["nameBase64"]) if "nameBase64" in entry
                else entry["name"].encode(): entry for entry in self.status.get("files", [])}

    def stream(self, which):
        """All of it: inline, or put together from its ConfigMaps, against length and digest.
        The agent's role reads no ConfigMaps (its way is the gateway), so `reader` does."""
        ref = self.status.get(which + "Ref")
        if not ref:
            return self.status.get(which, "")
        packed = b""
        for name in ref["configMaps"]:
            data = self.reader.get("configmaps", self.namespace, name)["binaryData"]
            assert len(data) == 1, f"ConfigMap {name} has {len(data)} members"
            packed += b"".join(base64.b64decode(value) for value in data.values())
        text = gzip.decompress(packed)
        assert len(text) == ref["bytes"]
        assert hashlib.sha256(text).hexdigest() == ref["sha256"]
        return text.decode()

    def __repr__(self):
        shown = {k: v for k, v in self.status.items() if k not in ("stdout", "stderr", "claim")}
        return (f"<{self.name} {shown} stdout={self.status.get('stdout', '')[-300:]!r} "
                f"stderr={self.status.get('stderr', '')[-600:]!r}>")


class Box:
    """One Sandbox, by name."""

    def __init__(self, tenant, user, name, language):
        self.tenant, self.user, self.name, self.language = tenant, user, name, language
        self.namespace = tenant.namespace

    def fetch(self):
        return self.user.get("sandboxes", self.namespace, self.name)

    def wait_phase(self, phase, seconds=READY_SECONDS):
        def there():
            sandbox = self.fetch()
            now = sandbox.get("status", {}).get("phase")
            assert now == phase or now != "Failed", f"{self.name}: {sandbox['status']}"
            return sandbox if now == phase else None
        return until(there, f"Sandbox {self.name} is {phase}", seconds)

    def start(self, code, language=None, **options):
        """Creates an Execution and does not wait for it."""
        member = {"language": language or self.language, "code": code}
        return self.start_operation("Execute", member, **options)

    def start_operation(self, operation, member, timeout=None, user=None, name=None, domains=None):
        """The same for any operation; `member` is the one of its name. `domains`: the network that
        this run asks for."""
        spec = {"sandboxName": self.name, "operation": operation,
                operation[0].lower() + operation[1:]: member}
        if timeout:
            spec["timeoutSeconds"] = timeout
        if domains is not None:
            spec["network"] = {"enabled": True, "allowedDomains": domains}
        user = user or self.user
        name = name or unique("run")
        user.create("executions", self.namespace, {
            "apiVersion": API, "kind": "Execution", "metadata": {"name": name}, "spec": spec})
        return Run(user, self.namespace, name, self.tenant.admin)

    def run(self, code, language=None, **options):
        """Creates an Execution and waits for its end."""
        return self.start(code, language, **options).finish()

    def write_file(self, path, content, **members):
        """Writes text or bytes."""
        how = {"content": content} if isinstance(content, str) else {
            "contentBase64": base64.b64encode(content).decode()}
        return self.start_operation("WriteFile", {"path": path, **how, **members}).finish()

    def read_file(self, path, **members):
        return self.start_operation("ReadFile", {"path": path, **members}).finish()

    def list_files(self, path=None, **members):
        if path is not None:
            members["path"] = path
        return self.start_operation("ListFiles", members).finish()

    def delete(self):
        return self.user.delete("sandboxes", self.namespace, self.name)


class Tenant:
    """One namespace. The users' rights are the chart's ClusterRoles, bound in it."""

    def __init__(self, cluster, label):
        self.cluster, self.admin = cluster, cluster.admin
        self.namespace = unique(f"e2e-{label}")
        self.admin.create("namespaces", None, {"metadata": {"name": self.namespace, "labels": {
            "pod-security.kubernetes.io/enforce": "restricted"}}})
        self.boxes = {}
        self.users = {}
        for name in ("agent", "second-agent"):
            self.admin.create("serviceaccounts", self.namespace, {"metadata": {"name": name}})
        self._bind("sandgate-agent", [
            {"kind": "ServiceAccount", "name": name, "namespace": self.namespace}
            for name in ("agent", "second-agent")])
        self._bind("sandgate-approver", [
            {"kind": "Group", "name": "sandgate-approvers", "apiGroup": "rbac.authorization.k8s.io"}])
        self.agent = self.account("agent")
        self.second_agent = self.account("second-agent")
        self.alice, self.bob = cluster.person("alice"), cluster.person("bob")
        self.approver = Approver(self.alice, self.namespace)
        self.approver.__enter__()
        self.wait_for_rights()

    def _bind(self, role, subjects):
        self.admin.create("rolebindings", self.namespace, {
            "metadata": {"name": role}, "subjects": subjects,
            "roleRef": {"kind": "ClusterRole", "name": role,
                        "apiGroup": "rbac.authorization.k8s.io"}})

    def wait_for_rights(self):
        """The API server's authorizer learns of a binding a moment later: of a new one, and of all
        when it starts."""
        def allowed():
            try:
                return [user.list("executions", self.namespace) or True
                        for user in (self.agent, self.second_agent, self.alice)]
            except ApiError as problem:
                assert problem.code == 403, problem
                return None
        until(allowed, "the bindings of the test's namespace count")

    def account(self, name):
        token = self.admin.service_account_token(self.namespace, name)
        return self.admin.as_token(token)

    def gateway(self, user=None):
        return Gateway(self.cluster.gateway_url, self.cluster.gateway_ca, (user or self.agent).token)

    def new_box(self, language="python", name=None, user=None, ready=True, **spec):
        box = Box(self, user or self.agent, name or unique(language), language)
        if "image" not in spec:
            spec["language"] = language
        box.user.create("sandboxes", self.namespace, {
            "apiVersion": API, "kind": "Sandbox", "metadata": {"name": box.name}, "spec": spec})
        if ready:
            box.wait_phase("Ready")
        return box

    def box(self, language="python"):
        """A sandbox that the tests of one file share; a new one where the last was lost."""
        box = self.boxes.get(language)
        found = box and self.agent.find("sandboxes", self.namespace, box.name)
        if not found or found["status"]["phase"] != "Ready":
            box = self.boxes[language] = self.new_box(language)
        return box

    def close(self):
        self.approver.__exit__()
        self.admin.delete("namespaces", None, self.namespace)
        assert not self.approver.problems, self.approver.problems
