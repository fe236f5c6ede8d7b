"""Sandboxes go when they should, leave nothing behind, and say why when they fail."""

import pytest

from harness.tenant import Tenant, condition, unique
from harness.wait import until

# What every namespace has, and what stays by design.
ALWAYS = {"configmaps": {"kube-root-ca.crt"}, "pods": set(), "secrets": set()}


@pytest.fixture
def own(cluster):
    """A namespace of the test's own, so that whatever is left in it is the test's."""
    made = Tenant(cluster, "leftover")
    yield made
    made.close()


def leftovers(tenant):
    return {resource: names for resource, always in ALWAYS.items()
            if (names := {entry["metadata"]["name"]
                          for entry in tenant.admin.list(resource, tenant.namespace)} - always)}


def gone(box):
    return box.user.find("sandboxes", box.namespace, box.name) is None


def ready_says(box, word, seconds=180):
    """Until the condition Ready is False for a reason that has this word in it."""
    def said():
        entry = condition(box.fetch(), "Ready")
        text = entry["reason"] + " " + entry["message"]
        return entry if entry["status"] == "False" and word.lower() in text.lower() else None
    return until(said, f"Sandbox {box.name} says {word}: {box.fetch().get('status')}", seconds)


def test_deleting_a_sandbox_while_something_runs_cancels_it_and_leaves_nothing(own):
    box = own.new_box("python")
    big = box.run("print('x' * 100000)")  # so that there is a ConfigMap as well
    assert big.status["stdoutRef"]
    run = box.start("import time\nprint('on', flush=True)\ntime.sleep(300)", timeout=300)
    run.wait("Running")
    box.delete()
    run.finish()
    assert run.phase == "Cancelled", run
    until(lambda: gone(box), "the Sandbox is gone")
    until(lambda: set(leftovers(own)) <= {"configmaps"}, "pods and secrets are gone")
    # Outputs belong to their Executions, which outlive the Sandbox for whoever waits for them.
    for entry in own.agent.list("executions", own.namespace):
        own.admin.delete("executions", own.namespace, entry["metadata"]["name"])
    until(lambda: not leftovers(own), f"nothing is left: {leftovers(own)}")


def test_deleting_a_sandbox_ends_what_waits_for_approval(own):
    box = own.new_box("shell")
    with own.approver.silent():
        run = box.start("echo never").wait("AwaitingApproval")
        box.delete()
        run.finish()
    assert run.phase == "Cancelled" and run.exit_code is None, run
    until(lambda: gone(box) and not leftovers(own), "nothing is left")


def test_the_certificates_secret_is_gone_once_the_runner_has_answered(own):
    box = own.new_box("shell")
    until(lambda: not own.admin.list("secrets", own.namespace),
          "no Secret lies in the namespace of a Ready sandbox")
    box.delete()


def test_a_running_execution_can_be_cancelled(tenant, shell_box):
    run = shell_box.start("echo so far; sleep 300", timeout=300).wait("Running")
    run.cancel()
    run.finish()
    assert run.phase == "Cancelled", run
    assert shell_box.run("echo on").stdout == "on\n"


def test_runs_in_one_sandbox_wait_for_each_other_first_come_first_served(tenant, shell_box):
    runs = [shell_box.start(f"echo begin {i} >> /workspace/order; sleep 1; "
                            f"echo end {i} >> /workspace/order").wait("Running", "AwaitingApproval",
                                                                      "Admitted")
            for i in range(3)]
    for run in runs:
        run.finish()
        assert run.phase == "Succeeded", run
    lines = shell_box.run("cat /workspace/order").stdout.splitlines()
    begun = [int(line.split()[1]) for line in lines if line.startswith("begin")]
    # Never two at once: each begin is followed by its own end.
    assert lines == [f"{word} {i}" for i in begun for word in ("begin", "end")]


def test_the_workspace_lasts_from_run_to_run_and_nothing_else_does(tenant, shell_box):
    shell_box.run("echo a > /workspace/a; echo b > /tmp/b; echo c > /dev/shm/c; cd /; export D=d")
    run = shell_box.run("cat /workspace/a; ls /tmp /dev/shm; echo \"[$D]\"; pwd")
    assert run.stdout.splitlines()[0] == "a" and run.stdout.splitlines()[-1] == "/workspace", run
    assert "\nb\n" not in run.stdout and "\nc\n" not in run.stdout and "[]" in run.stdout


@pytest.mark.parametrize("field", ["idleTimeoutSeconds", "ttlSeconds"])
def test_a_sandbox_goes_by_itself(own, field):
    # Both count from its creation, so on a busy machine it may go before it was Ready.
    box = own.new_box("shell", ready=False, lifecycle={field: 3})
    until(lambda: gone(box), f"{field} of 3 s passes")
    until(lambda: not leftovers(own), "nothing is left")


def test_a_lost_pod_fails_the_sandbox_with_the_reason_and_is_not_replaced(own):
    box = own.new_box("python")
    run = box.start("import time\ntime.sleep(300)", timeout=300).wait("Running")
    pod = box.fetch()["status"]["podName"]
    own.admin.delete("pods", own.namespace, pod, grace=0)
    sandbox = until(lambda: _failed(box), "the Sandbox is Failed")
    ready = condition(sandbox, "Ready")
    assert ready["status"] == "False" and ready["reason"] and ready["message"], sandbox["status"]
    run.finish()
    assert run.phase == "Lost" and run.error, run
    later = box.run("print(1)")
    assert later.phase in ("Failed", "Cancelled") and later.error, later
    assert not own.admin.list("pods", own.namespace), "a silent new pod would lie"


def _failed(box):
    sandbox = box.fetch()
    return sandbox if sandbox.get("status", {}).get("phase") == "Failed" else None


def test_a_missing_image_is_named(own, cluster):
    """The policy may name an image that no registry has."""
    def new_box_uses(image):
        """Whether a sandbox made now gets that image: the operator reads its policy a bit later."""
        box = own.new_box("shell", ready=False)
        pod = until(lambda: own.admin.find("pods", own.namespace, f"sgsb-{box.name}"), "its pod")
        if pod["spec"]["containers"][0]["image"] == image:
            return box
        box.delete()
        return None

    text, none = cluster.policy(), "sandgate.invalid/none:1"
    try:
        cluster.set_policy(text.replace("bash:5.2", none))
        box = until(lambda: new_box_uses(none), "the new policy counts", 180)
        entry = ready_says(box, none)
        assert "image" in (entry["reason"] + entry["message"]).lower()
    finally:
        cluster.set_policy(text)
    until(lambda: new_box_uses("bash:5.2"), "the old policy counts again", 180).wait_phase("Ready")


def test_an_image_that_the_policy_does_not_allow_is_refused(own):
    box = own.new_box("shell", ready=False, image="docker.io/library/debian:12")
    ready_says(box, "image")
    assert not own.admin.list("pods", own.namespace)


def test_a_missing_runtime_class_is_named(own, cluster):
    found = cluster.admin.get("runtimeclasses", None, "gvisor")
    cluster.admin.delete("runtimeclasses", None, "gvisor")
    try:
        box = own.new_box("shell", ready=False)
        ready_says(box, "RuntimeClass")
    finally:
        cluster.admin.create("runtimeclasses", None, {
            "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass",
            "metadata": {k: v for k, v in found["metadata"].items()
                         if k in ("name", "labels", "annotations")},
            "handler": found["handler"]})
    if _failed(box):
        return  # it said why; a new Sandbox is the way on
    box.wait_phase("Ready")


def _refuses_pods(tenant):
    """The API server learns of a new quota or range a moment later. Nothing is stored."""
    code, text = tenant.admin.send(
        "POST", f"/api/v1/namespaces/{tenant.namespace}/pods?dryRun=All", {
            "metadata": {"name": "dry"}, "spec": {
                "automountServiceAccountToken": False,
                "securityContext": {"runAsNonRoot": True, "runAsUser": 1000,
                                    "seccompProfile": {"type": "RuntimeDefault"}},
                "containers": [{
                    "name": "main", "image": "bash:5.2",
                    "resources": {"limits": {"cpu": "100m", "memory": "64Mi"}},
                    "securityContext": {"allowPrivilegeEscalation": False,
                                        "capabilities": {"drop": ["ALL"]}}}]}})
    assert code in (201, 403), text
    return code == 403


@pytest.mark.parametrize("kind,spec", [
    ("ResourceQuota", {"hard": {"pods": "0"}}),
    ("LimitRange", {"limits": [{"type": "Container", "max": {"memory": "16Mi"}}]}),
])
def test_a_refused_pod_names_the_quota_or_limit_range(own, kind, spec):
    name = unique("tight")
    resource = kind.lower() + "s"
    own.admin.create(resource, own.namespace, {"metadata": {"name": name}, "spec": spec})
    until(lambda: _refuses_pods(own), f"the {kind} is in force")
    box = own.new_box("shell", ready=False)
    word = name if kind == "ResourceQuota" else "memory"
    ready_says(box, word)
    own.admin.delete(resource, own.namespace, name)
    if not _failed(box):
        box.wait_phase("Ready")  # a slow retry, once there is room
    box.delete()


def test_that_no_node_takes_the_pod_is_named(own, cluster):
    node = cluster.admin.list("nodes")[0]["metadata"]["name"]
    cluster.admin.patch("nodes", None, node, {"spec": {"unschedulable": True}})
    try:
        box = own.new_box("shell", ready=False)
        ready_says(box, "Unschedulable")
    finally:
        cluster.admin.patch("nodes", None, node, {"spec": {"unschedulable": None}})
    box.wait_phase("Ready")  # with room it goes on


def test_an_execution_for_a_sandbox_that_never_comes_fails_by_name(tenant):
    from harness.tenant import Box
    box = Box(tenant, tenant.agent, "no-such-sandbox", "python")
    run = box.run("print(1)")
    assert run.phase == "Failed" and run.error == "SandboxNotFound" and run.exit_code is None, run


def test_an_execution_made_before_its_sandbox_waits_for_it(own):
    from harness.tenant import Box
    name = unique("later")
    run = Box(own, own.agent, name, "shell").start("echo patience")
    own.new_box("shell", name=name, ready=False)
    run.finish()
    assert run.stdout == "patience\n", run


def test_only_its_requester_runs_in_a_sandbox_that_is_not_shared(own):
    box = own.new_box("shell")
    run = box.run("echo mine now", user=own.second_agent)
    assert run.phase in ("Failed", "Denied") and run.exit_code is None and run.error, run
    shared = own.new_box("shell", shared=True)
    assert shared.run("echo ours", user=own.second_agent).stdout == "ours\n"


def test_the_language_must_be_the_sandboxes(tenant, shell_box):
    """bash:5.2 has no Python: a clear error, not a silent nothing."""
    run = shell_box.run("print(1)", language="python")
    assert run.phase == "Failed" and (run.error or run.stderr), run


def test_sandbox_pods_pass_pod_security_restricted_and_show_how_they_are_held(tenant, python_box):
    """The namespace enforces restricted already; these are what the runner relies on."""
    pod = tenant.admin.get("pods", tenant.namespace, python_box.fetch()["status"]["podName"])
    spec = pod["spec"]
    assert spec["runtimeClassName"] == "gvisor" and spec["dnsPolicy"] == "None"
    assert spec["automountServiceAccountToken"] is False and spec["restartPolicy"] == "Never"
    assert spec["enableServiceLinks"] is False
    for container in spec["containers"] + spec.get("initContainers", []):
        limits = container["resources"]["limits"]
        assert "memory" in limits and "cpu" in limits, container["name"]
        assert container["securityContext"]["readOnlyRootFilesystem"] is True


@pytest.mark.parametrize("path", ["exec", "attach", "portforward", "proxy"])
def test_nobody_gets_into_a_sandbox_pod(tenant, python_box, path):
    name = python_box.fetch()["status"]["podName"]
    query = "?command=id&stdout=1" if path in ("exec", "attach") else ""
    names = [name] if path != "proxy" else [name, f"http:{name}:8443", f"https:{name}:8443"]
    for one in names:
        code, text = tenant.admin.send(
            "GET" if path == "proxy" else "POST",
            f"/api/v1/namespaces/{tenant.namespace}/pods/{one}/{path}{query}")
        assert code == 403 and "sandbox pod" in text, (code, text)
