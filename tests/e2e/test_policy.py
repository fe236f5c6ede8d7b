"""Policies of single namespaces: ConfigMaps in the operator's own namespace, laid over the deployment's policy."""

import itertools
import threading

import pytest
import yaml
from harness.cluster import SYSTEM
from harness.kube import ApiError
from harness.tenant import API, Run, Tenant, condition, unique
from harness.wait import until

SOON = 30  # a watch tells at once; the rest is the machine's load


class Policies:
    """The namespace policies of one test; all are taken back at its end."""

    def __init__(self, admin):
        self.admin, self.names = admin, []

    def put(self, policy, name=None, namespaces=None, selector=None):
        name = name or unique("policy")
        annotations = {}
        if namespaces:
            annotations["sandgate.dev/namespaces"] = ",".join(namespaces)
        if selector:
            annotations["sandgate.dev/namespace-selector"] = selector
        text = policy if isinstance(policy, str) else yaml.safe_dump({"security": policy})
        if name in self.names:
            self.admin.patch("configmaps", SYSTEM, name, {
                "metadata": {"annotations": annotations}, "data": {"sandgate.yaml": text}})
            return name
        self.names.append(name)
        self.admin.create("configmaps", SYSTEM, {
            "metadata": {"name": name, "labels": {"sandgate.dev/policy": "true"},
                         "annotations": annotations},
            "data": {"sandgate.yaml": text}})
        return name

    def drop(self, name):
        self.names.remove(name)
        self.admin.delete("configmaps", SYSTEM, name)

    def close(self):
        for name in list(self.names):
            self.drop(name)


@pytest.fixture
def policies(cluster):
    made = Policies(cluster.admin)
    yield made
    made.close()


@pytest.fixture(scope="module")
def other(cluster):
    """A tenant that no test binds anything to."""
    made = Tenant(cluster, "policy-other")
    yield made
    made.close()


def judged(box, code="print(1)"):
    """(level, who admitted it, error) of a run."""
    run = box.run(code)
    return (run.status.get("risk", {}).get("level"), run.status.get("admission", {}).get("by"),
            run.error)


def becomes(box, wanted, code="print(1)"):
    last = []

    def there():
        last[:] = [judged(box, code)]
        return last[0] == wanted
    until(there, f"code is judged {wanted} (last: {last})", SOON)


AS_EVER = ("HIGH", "Approval", "")


def test_hitl_switched_off_in_one_namespace_alone(tenant, other, policies, python_box):
    policies.put({"hitl": {"enabled": False}}, namespaces=[tenant.namespace])
    becomes(python_box, ("HIGH", "Auto", ""))
    assert judged(python_box, "import subprocess") == ("CRITICAL", "Auto", "")
    assert judged(other.box()) == AS_EVER
    policies.close()
    becomes(python_box, AS_EVER)


def test_sandboxes_switched_off(tenant, policies, python_box):
    policies.put({"sandbox": {"enabled": False}}, namespaces=[tenant.namespace])
    becomes(python_box, (None, None, "SandboxesDisabled"))
    policies.close()
    becomes(python_box, AS_EVER)


def test_an_image_of_ones_own_must_be_allowed(tenant, policies):
    image = "docker.io/library/python:3.11-slim"  # not as any language names it
    box = tenant.new_box(ready=False, image=image)
    ready = until(lambda: condition(box.fetch(), "Ready")["status"] == "False"
                  and condition(box.fetch(), "Ready"), "it says why it is not Ready", SOON)
    assert image in ready["message"] and "allowed_images" in ready["message"], ready
    assert not tenant.admin.list("pods", tenant.namespace, f"sandgate.dev/sandbox={box.name}")
    box.delete()
    policies.put({"sandbox": {"allowed_images": ["docker.io/library/*"]}}, namespaces=[tenant.namespace])

    def made():
        allowed = tenant.new_box(ready=False, image=image)
        until(lambda: condition(allowed.fetch(), "Ready")["status"], "it is looked at", SOON)
        found = tenant.admin.list("pods", tenant.namespace, f"sandgate.dev/sandbox={allowed.name}")
        if not found:
            allowed.delete()
        return allowed if found else None
    allowed = until(made, "an image that is allowed gets its pod", SOON)
    allowed.wait_phase("Ready")
    assert judged(allowed) == AS_EVER
    allowed.delete()


def test_without_default_rules_a_low_rule_admits(tenant, policies, python_box):
    low = {"tools": ["code_execute"], "risk": "LOW",
           "conditions": [{"param": "code", "notMatches": "subprocess"}]}
    policies.put({"hitl": {"default_rules": False, "rules": [low]}}, namespaces=[tenant.namespace])
    becomes(python_box, ("LOW", "Auto", ""))
    # What no rule covers is HIGH, and a human is asked.
    assert judged(python_box, "import subprocess") == AS_EVER


def test_low_risk_waits_where_it_is_not_approved_by_itself(tenant, policies, python_box):
    low = {"tools": ["code_execute"], "risk": "LOW"}
    policies.put({"hitl": {"default_rules": False, "auto_approve_low_risk": False, "rules": [low]}},
                 namespaces=[tenant.namespace])
    becomes(python_box, ("LOW", "Approval", ""))


def test_network_by_default(tenant, policies):
    def effective(**spec):
        box = tenant.new_box(ready=False, **spec)

        def settled():
            return box.fetch().get("status", {}).get("effective")
        found = until(settled, "its limits are settled", 120)
        box.delete()
        return found.get("networkEnabled", False)
    assert not effective()
    policies.put({"sandbox": {"network": {"enabled_by_default": True}}},
                 namespaces=[tenant.namespace])
    until(effective, "a Sandbox that does not say has network", SOON * 2)
    assert not effective(network={"enabled": False})


def test_bound_by_label_and_by_name(tenant, cluster, policies, python_box):
    low = {"hitl": {"default_rules": False, "rules": [{"tools": ["code_execute"], "risk": "LOW"}]}}
    policies.put({"hitl": {"enabled": False}}, selector="tier in (gold, silver),!retired")
    assert judged(python_box) == AS_EVER

    def label(**labels):
        cluster.admin.patch("namespaces", None, tenant.namespace, {"metadata": {"labels": labels}})
    try:
        label(tier="gold")
        becomes(python_box, ("HIGH", "Auto", ""))
        named = policies.put(low, namespaces=[tenant.namespace])
        becomes(python_box, ("LOW", "Auto", ""))
        policies.drop(named)
        becomes(python_box, ("HIGH", "Auto", ""))
        label(retired="yes")
        becomes(python_box, AS_EVER)
    finally:
        label(tier=None, retired=None)


def test_two_of_one_rank_stop_everything_new(tenant, policies, python_box):
    one = policies.put({"hitl": {"enabled": False}}, namespaces=[tenant.namespace])
    becomes(python_box, ("HIGH", "Auto", ""))
    two = policies.put({"hitl": {"enabled": False}}, namespaces=["elsewhere", tenant.namespace])
    becomes(python_box, (None, None, "PolicyAmbiguous"))
    run = python_box.run("print(1)")
    assert run.phase == "Failed" and one in run.status["error"]["message"]
    assert two in run.status["error"]["message"]
    # No sandbox either: its image and its limits would be somebody's guess.
    box = tenant.new_box(ready=False)
    until(lambda: condition(box.fetch(), "Ready")["reason"] == "PolicyAmbiguous", "it says so", SOON)
    policies.drop(two)
    becomes(python_box, ("HIGH", "Auto", ""))
    box.delete()


def metrics(cluster):
    code, text = cluster.fetch(cluster.ready_pod("operator"), "/metrics")
    assert code == 200
    return text


def health(cluster, name):
    text = metrics(cluster)
    for line in text.splitlines():
        if line.startswith("sandgate_namespace_policy_healthy{") and f'"{name}"' in line:
            return float(line.split()[-1])
    return None


def told(cluster, name, reason):
    return [event for event in cluster.admin.list("events", SYSTEM)
            if event["involvedObject"]["name"] == name and event["reason"] == reason]


def test_a_broken_one_closes_its_namespaces_until_one_was_good(tenant, cluster, policies,
                                                               python_box):
    broken = "security:\n  hitl:\n    enabld: false\n"
    name = policies.put(broken, namespaces=[tenant.namespace])
    becomes(python_box, (None, None, "PolicyInvalid"))
    message = python_box.run("print(1)").status["error"]["message"]
    assert f"{name}:3: security.hitl.enabld: unknown key" in message
    until(lambda: health(cluster, name) == 0, "the metric says so", SOON)
    (event,) = until(lambda: told(cluster, name, "PolicyRefused"), "an Event says so", SOON)
    assert "security.hitl.enabld" in event["message"]

    policies.put({"hitl": {"enabled": False}}, name=name, namespaces=[tenant.namespace])
    becomes(python_box, ("HIGH", "Auto", ""))
    assert health(cluster, name) == 1
    # From now on the last good one stays.
    policies.put(broken, name=name, namespaces=[tenant.namespace])
    until(lambda: health(cluster, name) == 0, "the metric says so again", SOON)
    assert judged(python_box) == ("HIGH", "Auto", "")


MISTAKES = {
    "no YAML": ("security: {\n", "not valid YAML"),
    "a tab": ("security:\n\thitl: {}\n", ":2: not valid YAML"),
    "an alias bomb": ("a: &a [x, x]\nb: &b [*a, *a]\nsecurity: [*b, *b]\n", ":1: "),
    "not a mapping": ("- security\n", ":1: "),
    "a key twice": ("security:\n  hitl:\n    enabled: true\n    enabled: false\n",
                    ":4: security.hitl.enabled: stands twice"),
    "a word for a switch": ("security:\n  hitl:\n    enabled: maybe\n",
                            ":3: security.hitl.enabled: must be true or false"),
    "a default above its ceiling": ("security:\n  sandbox:\n    limits:\n      max_memory_mb: 4096\n",
                                    "max_limits.max_memory_mb (2048)"),
    "no such risk": ("security:\n  hitl:\n    rules:\n    - tools: [code_execute]\n      risk: SEVERE\n",
                     ":5: security.hitl.rules[0].risk"),
    "look-ahead": ("security:\n  hitl:\n    rules:\n    - tools: [code_execute]\n      risk: HIGH\n"
                   "      conditions:\n      - {param: code, matches: 'a(?=b)'}\n",
                   ":7: security.hitl.rules[0].conditions[0].matches"),
    "destroy raised": ("security:\n  hitl:\n    rules:\n    - tools: [code_destroy_sandbox]\n"
                       "      risk: HIGH\n", "always LOW"),
    "no gVisor": ("security:\n  sandbox:\n    runtime: runc\n", "is not gVisor"),
}


def test_every_mistake_is_named_and_closes_the_namespace(tenant, policies, python_box):
    """The table of all of them is policy_load_test's; here each kind goes the whole way."""
    name = policies.put({"hitl": {"enabled": "?"}}, namespaces=[tenant.namespace])
    for label, (text, says) in MISTAKES.items():
        policies.put(text, name=name, namespaces=[tenant.namespace])

        def said(says=says):
            run = python_box.run("print(1)")
            assert run.phase == "Failed" and run.error == "PolicyInvalid", run
            message = run.status["error"]["message"]
            return name in message and says in message
        until(said, f"{label} is named", SOON)


def test_the_deployments_policy_counts_at_once_and_below_the_others(cluster, tenant, policies,
                                                                    python_box):
    before = cluster.policy()
    changed = yaml.safe_load(before)
    changed["security"].setdefault("hitl", {}).setdefault("rules", []).append(
        {"tools": ["code_execute"], "risk": "CRITICAL", "description": "everything is serious"})
    try:
        cluster.set_policy(yaml.safe_dump(changed))
        becomes(python_box, ("CRITICAL", "Approval", ""))
        policies.put({"hitl": {"enabled": False}}, namespaces=[tenant.namespace])
        becomes(python_box, ("CRITICAL", "Auto", ""))
        # A mistake leaves both as they are.
        cluster.set_policy("security: [")
        until(lambda: "sandgate_policy_healthy 0" in metrics(cluster), "it is noticed",
              SOON)
        assert judged(python_box) == ("CRITICAL", "Auto", "")
    finally:
        cluster.set_policy(before)
    becomes(python_box, ("HIGH", "Auto", ""))


def test_a_reload_voids_what_waits(tenant, policies, python_box):
    with tenant.approver.silent():
        run = python_box.start("print(1)").wait("AwaitingApproval")
        policies.put({"sandbox": {"limits": {"max_execution_time": 29}}},
                     namespaces=[tenant.namespace])
        run.finish()
    assert run.phase == "Denied" and "policy changed" in run.status["error"]["message"], run


# Both admit everything, and each has two rules of its own: a judgement by half of one would show.
def flavour(name):
    return {"hitl": {"enabled": False, "rules": [
        {"tools": ["code_execute"], "risk": "HIGH", "description": f"{name} {number}"}
        for number in (1, 2)]}}


def test_none_is_judged_by_half_a_policy(tenant, policies, python_box):
    name = policies.put(flavour("red"), namespaces=[tenant.namespace])
    becomes(python_box, ("HIGH", "Auto", ""))
    done = threading.Event()
    problems = []

    def flip():
        try:
            for colour in itertools.cycle(["blue", "red"]):
                policies.put(flavour(colour), name=name, namespaces=[tenant.namespace])
                if done.wait(0.2):
                    return
        except ApiError as problem:
            problems.append(problem)
    flipping = threading.Thread(target=flip)
    flipping.start()
    seen = {}
    try:
        for _ in range(4):
            runs = [python_box.start("print(1)") for _ in range(20)]
            for run in runs:
                run.finish()
                assert run.phase == "Succeeded", run
                reasons = tuple(run.status["risk"]["reasons"])
                seen.setdefault(reasons, set()).add(run.status["admission"]["policyRevision"])
            if len(seen) > 1:
                break
    finally:
        done.set()
        flipping.join()
    assert not problems
    whole = {("HIGH: runs code", f"HIGH: {colour} 1", f"HIGH: {colour} 2")
             for colour in ("red", "blue")}
    assert set(seen) == whole, seen
    assert all(len(revisions) == 1 for revisions in seen.values()), seen


def test_tenants_reach_no_policy(tenant, cluster, policies):
    name = policies.put({"hitl": {"enabled": False}}, namespaces=["nobody"])
    for user in (tenant.agent, tenant.alice):
        for attempt in (
                lambda user=user: user.get("configmaps", SYSTEM, name),
                lambda user=user: user.patch("configmaps", SYSTEM, name, {"data": {"x": "y"}}),
                lambda user=user: user.create("configmaps", SYSTEM, {
                    "metadata": {"name": unique("own"), "labels": {"sandgate.dev/policy": "true"}}}),
                lambda user=user: user.patch("namespaces", None, tenant.namespace, {
                    "metadata": {"labels": {"tier": "gold"}}})):
            with pytest.raises(ApiError) as refused:
                attempt()
            assert refused.value.code == 403
    # The same label on a ConfigMap anywhere else means nothing.
    cluster.admin.create("configmaps", tenant.namespace, {
        "metadata": {"name": "own", "labels": {"sandgate.dev/policy": "true"},
                     "annotations": {"sandgate.dev/namespaces": tenant.namespace}},
        "data": {"sandgate.yaml": "security: {hitl: {enabled: false}}"}})
    assert judged(tenant.box()) == AS_EVER


def install(tenant, box, package, registry=None):
    name = unique("install")
    spec = {"package": package}
    if registry:
        spec["registry"] = registry
    tenant.agent.create("executions", tenant.namespace, {
        "apiVersion": API, "kind": "Execution", "metadata": {"name": name},
        "spec": {"sandboxName": box.name, "operation": "InstallPackage", "installPackage": spec}})
    return Run(tenant.agent, tenant.namespace, name, tenant.admin).finish()


def test_an_install_is_refused_before_anybody_is_asked(tenant, policies, python_box):
    with tenant.approver.silent():
        asked = set(tenant.approver.seen)
        run = install(tenant, python_box, "requests==2.31.0")
        assert run.error == "NetworkAccessRequired"
        assert run.status["error"]["message"] == \
            "Network access required for package installation"
        for package in ("x @ https://example.com/x.whl", "x --index-url=y", "x.whl", "x; a", "a b"):
            assert install(tenant, python_box, package).error == "InvalidPackage", package
        online = tenant.new_box(network={"enabled": True})
        # What the deployment may have configured does not count here.
        policies.put({"sandbox": {"network": {"allowed_registries": {"pypi": [], "npm": []}}}},
                     namespaces=[tenant.namespace])
        until(lambda: install(tenant, online, "requests").error == "RegistryNotConfigured",
              "the namespace has no registry", SOON)
        run = install(tenant, online, "axios@1.6.0", "npm")
        assert run.error == "RegistryNotConfigured"
        assert "security.sandbox.network.allowed_registries.npm" in run.status["error"]["message"]
        assert install(tenant, online, "requests", "elsewhere").error == "RegistryNotAllowed"
        assert set(tenant.approver.seen) == asked
