"""dev/cluster recovers from what can happen to it, and harms no process that is not its own."""

import json
import os
import pathlib
import signal
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
HOME = pathlib.Path(os.environ.get("SANDGATE_HOME") or pathlib.Path.home() / ".cache" / "sandgate")
RUN = HOME / "cluster" / "run"
NAMESPACE = "cluster-test"
POD = {
    "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe"},
    "spec": {
        "runtimeClassName": "gvisor", "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": False,
        "containers": [{"name": "probe", "image": "bash:5.2", "command": ["sleep", "3600"],
                        "resources": {"requests": {"cpu": "10m"},
                                      "limits": {"cpu": "500m", "memory": "128Mi"}}}]}}


def cluster(*arguments, check=True):
    done = subprocess.run([ROOT / "dev/cluster", *arguments], capture_output=True, text=True,
                          check=False)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def kubectl(*arguments, check=True, text=None):
    tools = subprocess.run([ROOT / "dev/tools/build", "--print-path", "kube"], check=True,
                           capture_output=True, text=True).stdout.strip()
    command = [f"{tools}/kubectl", f"--kubeconfig={HOME}/cluster/kubeconfig", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, input=text, check=False)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def record(part):
    return json.loads((RUN / f"{part}.json").read_text())


def pids():
    return {path.stem: json.loads(path.read_text())["pid"] for path in RUN.glob("*.json")}


def records():
    return [json.loads(path.read_text()) for path in RUN.glob("*.json")]


def gone(part):
    """Not there, dead and not reaped yet, or another process that was given the same number: a
    machine that makes hundreds of threads a second is soon through all of them."""
    try:
        fields = pathlib.Path(f"/proc/{part['pid']}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return True
    return fields[0] in "ZX" or int(fields[19]) != part["started"]


def kill(*parts):
    for pid in [record(part)["pid"] for part in parts]:
        os.kill(pid, signal.SIGKILL)


def available_deployments():
    listed = json.loads(kubectl("get", "deployments", "--namespace=sandgate-system", "-o", "json"))
    return [f"deployment/{item['metadata']['name']}" for item in listed["items"]
            if item.get("status", {}).get("availableReplicas")]


@pytest.fixture(scope="module", autouse=True)
def namespace():
    cluster("up")
    if "gvisor" not in kubectl("get", "runtimeclass", "-o", "name"):
        pytest.skip("no RuntimeClass gvisor: run dev/cluster install first")
    available = available_deployments()
    kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found")
    kubectl("create", "namespace", NAMESPACE)
    yield
    kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    # Whoever comes next finds Sandgate as it was.
    for deployment in available:
        kubectl("wait", "--namespace=sandgate-system", "--for=condition=Available", deployment,
                "--timeout=120s")


def gvisor_works():
    kubectl("delete", "pod", "probe", f"--namespace={NAMESPACE}", "--ignore-not-found")
    kubectl("create", f"--namespace={NAMESPACE}", "-f", "-", text=json.dumps(POD))
    kubectl("wait", "--for=condition=Ready", "pod/probe", f"--namespace={NAMESPACE}",
            "--timeout=120s")
    version = kubectl("exec", "probe", f"--namespace={NAMESPACE}", "--", "cat", "/proc/version")
    assert "gvisor" in version.lower()


def exec_when_kubelet_knows_the_pod(*command):
    """A kubelet that has just started is Ready before it has read which pods it has."""
    deadline = time.monotonic() + 60
    while True:
        done = kubectl("exec", "probe", f"--namespace={NAMESPACE}", "--", *command,
                       check=time.monotonic() > deadline)
        if done:
            return done


def test_up_again_touches_nothing_that_runs():
    before = pids()
    cluster("up")
    assert pids() == before
    cluster("status")


def test_parts_that_were_killed_come_back_and_pods_survive():
    gvisor_works()
    before = kubectl("get", "pod", "probe", f"--namespace={NAMESPACE}", "-o",
                     "jsonpath={.status.containerStatuses[0].containerID}")
    kill("apiserver", "kubelet", "containerd")
    assert cluster("status", check=False).returncode != 0
    cluster("up")
    cluster("status")
    exec_when_kubelet_knows_the_pod("echo", "alive")
    after = kubectl("get", "pod", "probe", f"--namespace={NAMESPACE}", "-o",
                    "jsonpath={.status.containerStatuses[0].containerID}")
    assert after == before


def test_everything_killed_at_once_leaves_nothing_and_comes_back():
    before = records()
    kill("init")
    cluster("up")
    assert [part["name"] for part in before if not gone(part)] == []
    cluster("status")
    gvisor_works()


def test_a_run_that_was_killed_half_way_is_finished_by_the_next():
    kill("etcd", "containerd", "kubelet")
    half = subprocess.Popen([ROOT / "dev/cluster", "up"], stdout=subprocess.PIPE, text=True)
    for line in half.stdout:
        if line.startswith("etcd"):  # printed when etcd has been started
            break
    half.kill()
    half.wait()
    half.stdout.close()
    cluster("up")
    cluster("status")


def test_a_stranger_with_a_recorded_pid_lives():
    cluster("stop", "scheduler")
    stranger = subprocess.Popen(["sleep", "600"])
    try:
        forged = dict(record("etcd"), name="scheduler", pid=stranger.pid)
        (RUN / "scheduler.json").write_text(json.dumps(forged))
        assert cluster("status", check=False).returncode != 0
        cluster("stop", "scheduler")
        (RUN / "scheduler.json").write_text(json.dumps(forged))
        cluster("up")
        assert record("scheduler")["pid"] != stranger.pid
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_without_root_one_line_says_what_to_do():
    done = subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", "env", "HOME=/tmp/nobody",
                           ROOT / "dev/cluster", "up"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "root" in done.stderr
