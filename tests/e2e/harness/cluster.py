"""The local cluster: who may talk to it, and what can be done to it."""

import json
import os
import pathlib
import shlex
import signal
import subprocess
import time

from . import kube
from .wait import until

ROOT = pathlib.Path(__file__).resolve().parents[3]
SYSTEM = "sandgate-system"
COMMAND_SECONDS = 300
ROLES = {"alice": "approver", "bob": "second-approver", "carol": "viewer"}


class Cluster:
    def __init__(self):
        # Cleared first: what another cluster left in this shell must not leak in.
        self.env = {k: v for k, v in os.environ.items() if k != "KUBECONFIG"}
        self.env.update(self._exports())
        self.admin = kube.from_kubeconfig(self.env["KUBECONFIG"])
        self.gateway_url = self.env["SANDGATE_URL"]
        self.gateway_ca = self.env["SANDGATE_CA"]

    def _exports(self):
        """What `eval "$(dev/cluster env)"` would set."""
        script = 'eval "$(dev/cluster env)" && env -0'
        shown = subprocess.run(["bash", "-c", script], cwd=ROOT, env=self.env, check=True,
                               capture_output=True, timeout=COMMAND_SECONDS)
        pairs = (entry.split("=", 1) for entry in shown.stdout.decode().split("\0") if entry)
        return {key: value for key, value in pairs}

    def run(self, *command, check=True, stdin=None, seconds=COMMAND_SECONDS, env=None):
        """Runs a program with the cluster's environment: (stdout, stderr, code) by attribute."""
        done = subprocess.run(list(command), cwd=ROOT, env=env or self.env, input=stdin, text=True,
                              capture_output=True, timeout=seconds, check=False)
        assert not check or done.returncode == 0, \
            f"{shlex.join(command)}: {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done

    def kubectl(self, *arguments, user=None, **options):
        """kubectl as the administrator, or as the owner of `user`'s token alone."""
        if user is None:
            return self.run("kubectl", *arguments, **options)
        ca = pathlib.Path(self.env["KUBECONFIG"]).with_name("ca-for-tests.crt")
        ca.write_text(self.admin.context.ca_text)
        env = dict(self.env, KUBECONFIG="/dev/null")
        return self.run("kubectl", f"--server={self.admin.server}", f"--token={user.token}",
                        f"--certificate-authority={ca}", *arguments, env=env, **options)

    def person(self, name):
        token = self.run("dev/cluster", "token", ROLES[name]).stdout.strip()
        return self.admin.as_token(token)

    def operator(self):
        """Its own account, for what only it may do."""
        return self.admin.as_token(self.admin.service_account_token(SYSTEM, "sandgate-operator"))

    def pods(self, component):
        """Pods of a part of Sandgate ("operator", "gateway") that are not being deleted."""
        return [pod for pod in self.admin.list("pods", SYSTEM)
                if pod["metadata"]["name"].startswith(f"sandgate-{component}-")
                and "deletionTimestamp" not in pod["metadata"]]

    def ready_pod(self, component):
        def one():
            for pod in self.pods(component):
                for entry in pod["status"].get("conditions", []):
                    if entry["type"] == "Ready" and entry["status"] == "True":
                        return pod
            return None
        return until(one, f"a {component} pod is ready", 180)

    def processes(self, pod, program):
        """Ids of the processes of a program that run in a pod on this node."""
        uid = pod["metadata"]["uid"]
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                groups = (entry / "cgroup").read_text()
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue  # it ended
            inside = uid in groups or uid.replace("-", "_") in groups
            if inside and os.path.basename(words[0].decode(errors="replace")) == program:
                found.append(int(entry.name))
        return found

    def kill_operator(self):
        """SIGKILL, and a new pod at once: the kubelet would wait longer with every restart."""
        for pod in self.pods("operator"):
            for process in self.processes(pod, "sandgate-operator"):
                os.kill(process, signal.SIGKILL)
            self.admin.delete("pods", SYSTEM, pod["metadata"]["name"], grace=0)

    def policy(self):
        """The deployment's policy, as text."""
        return self.admin.get("configmaps", SYSTEM, "sandgate-policy")["data"]["policy.yaml"]

    def set_policy(self, text):
        """The kubelet looks at a ConfigMap again when the pod changes, else after a minute."""
        self.admin.patch("configmaps", SYSTEM, "sandgate-policy", {"data": {"policy.yaml": text}})
        for pod in self.pods("operator"):
            self.admin.patch("pods", SYSTEM, pod["metadata"]["name"], {
                "metadata": {"annotations": {"example.com/look-again": str(time.time())}}})

    def scale(self, deployment, replicas):
        self.admin.patch("deployments", SYSTEM, deployment, {"spec": {"replicas": replicas}})
        component = deployment.removeprefix("sandgate-")
        if replicas:
            return self.ready_pod(component)
        return until(lambda: not any(
            pod["metadata"]["name"].startswith(deployment + "-")
            for pod in self.admin.list("pods", SYSTEM)), f"{deployment} has no pods")

    def fetch(self, pod, path, port=8081):
        """(status, text) of a page on a pod's port, through the API server."""
        name = f"{pod['metadata']['name']}:{port}"
        return self.admin.send(
            "GET", f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{name}/proxy{path}")

    def plain_pod(self, namespace, name, command, image="python:3.11-slim", runtime=None,
                  labels=None, user=None):
        """A pod that is no sandbox (unless the labels say so), as any team may make one."""
        (user or self.admin).create("pods", namespace, {
            "metadata": {"name": name, "labels": labels or {}},
            "spec": {
                **({"runtimeClassName": runtime} if runtime else {}),
                "automountServiceAccountToken": False, "enableServiceLinks": False,
                "terminationGracePeriodSeconds": 0, "restartPolicy": "Never",
                "securityContext": {"runAsNonRoot": True, "runAsUser": 1000,
                                    "seccompProfile": {"type": "RuntimeDefault"}},
                "containers": [{
                    "name": "main", "image": image, "imagePullPolicy": "IfNotPresent",
                    "command": command,
                    "resources": {"requests": {"cpu": "10m", "memory": "32Mi"},
                                  "limits": {"cpu": "500m", "memory": "256Mi"}},
                    "securityContext": {"allowPrivilegeEscalation": False,
                                        "capabilities": {"drop": ["ALL"]}}}]}})

        def running():
            pod = self.admin.get("pods", namespace, name)
            ready = any(entry["type"] == "Ready" and entry["status"] == "True"
                        for entry in pod["status"].get("conditions", []))
            return pod if ready and pod["status"].get("podIP") else None
        return until(running, f"pod {name} runs", 180)

    def logs(self, component):
        """Log lines of every pod of a component, since its container started."""
        lines = []
        for pod in self.pods(component):
            done = self.kubectl("-n", SYSTEM, "logs", pod["metadata"]["name"], "--tail=-1")
            lines += done.stdout.splitlines()
        return lines

    def audit_log(self):
        return pathlib.Path(self.env["KUBECONFIG"]).with_name("audit.log")

    def audit_mark(self):
        """A place in the audit log, for audit_since."""
        return self.audit_log().stat().st_size

    def audit_since(self, mark):
        with open(self.audit_log(), "rb") as file:
            file.seek(mark)
            text = file.read()
        lines = text[:text.rfind(b"\n") + 1].splitlines()
        return [json.loads(line) for line in lines]


def is_write(event, username):
    """A finished, storing write by that user, Events apart (dry runs store nothing)."""
    return (event["user"]["username"] == username and event["stage"] == "ResponseComplete"
            and event["verb"] in ("create", "update", "patch", "delete", "deletecollection")
            and event.get("objectRef", {}).get("resource") not in ("events", "subjectaccessreviews",
                                                                   "tokenreviews")
            and "dryRun=All" not in event["requestURI"])
