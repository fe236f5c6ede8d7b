"""Everything by kubectl: the commands that docs/examples and the README show, as they stand there."""

import re
import shlex

import pytest
import yaml

from harness.cluster import ROOT
from harness.wait import until

EXAMPLES = ROOT / "docs/examples"
TEAM = re.compile(r"\bagents\b")  # the namespace that the examples are written for


def commands_of(path):
    """The lines `kubectl ...` in an example's leading comment."""
    found = re.findall(r"^#\s+(kubectl .*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert found, f"{path} shows no command"
    return found


@pytest.fixture(scope="module")
def examples(tenant, tmp_path_factory):
    """The examples, for this test's namespace: nothing else in them changes."""
    directory = tmp_path_factory.mktemp("examples")
    for path in EXAMPLES.glob("*.yaml"):
        text = TEAM.sub(tenant.namespace, path.read_text(encoding="utf-8"))
        (directory / path.name).write_text(text, encoding="utf-8")
    return directory


def test_a_platform_teams_yaml_runs_code_without_the_gateway(tenant, cluster, examples):
    """Create as the agent, decide as the approver, wait for the condition, read the result."""
    shown = []
    with tenant.approver.silent():
        for name in ("sandbox.yaml", "execution.yaml"):
            for command in commands_of(EXAMPLES / name):
                words = shlex.split(TEAM.sub(tenant.namespace, command)
                                    .replace("docs/examples/", f"{examples}/"))[1:]
                by_approver = "approvals.sandgate.dev" in command
                if " patch " in command:
                    until(lambda: _pending(tenant), "the Approval waits")
                if words[0] == "wait":
                    words.append("--timeout=180s")
                done = cluster.kubectl(*words, user=tenant.alice if by_approver else tenant.agent)
                shown.append((command, done.stdout))
    result = yaml.safe_load(shown[-1][1])
    assert result["status"]["phase"] == "Succeeded", result["status"]
    assert result["status"]["stdout"] == "Square root of 144 is 12.0\n"
    assert result["status"]["exitCode"] == 0


def _pending(tenant):
    return [a for a in tenant.alice.list("approvals", tenant.namespace)
            if a.get("status", {}).get("phase") == "Pending"]


def test_kubectl_get_shows_phase_risk_sandbox_and_exit_code(tenant, cluster, shell_box):
    run = shell_box.run("exit 7")
    listed = cluster.kubectl("-n", tenant.namespace, "get", "executions.sandgate.dev", run.name,
                             user=tenant.agent).stdout
    header, line = listed.splitlines()[:2]
    columns = dict(zip(header.split(), line.split()))
    assert columns["PHASE"] == "Failed" and columns["RISK"] == "HIGH"
    assert columns["SANDBOX"] == shell_box.name and columns["EXIT"] == "7" and columns["AGE"]


@pytest.mark.parametrize("short", ["sgsb", "sgex", "sgap", "sandgate"])
def test_short_names_and_the_category_work(tenant, cluster, shell_box, short):
    shell_box.run("true")
    listed = cluster.kubectl("-n", tenant.namespace, "get", short, "-o", "name", user=tenant.agent)
    assert "sandgate.dev/" in listed.stdout


def _fields(schema, path):
    for name, child in schema.get("properties", {}).items():
        yield f"{path}.{name}", child
        yield from _fields(child, f"{path}.{name}")
        if "items" in child:
            yield from _fields(child["items"], f"{path}.{name}")


@pytest.mark.parametrize("kind", ["sandboxes", "executions", "approvals"])
def test_kubectl_explain_teaches_every_field(cluster, kind):
    shown = cluster.kubectl("explain", f"{kind}.sandgate.dev.spec", "--recursive").stdout
    assert "DESCRIPTION" in shown
    crd = yaml.safe_load((ROOT / f"crds/{kind}.yaml").read_text(encoding="utf-8"))
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    mute = [path for part in ("spec", "status")
            for path, child in _fields(schema["properties"][part], part)
            if not child.get("description")]
    assert not mute


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.yaml")))
def test_every_example_is_accepted_by_the_api_server(tenant, cluster, examples, name):
    """A dry run: the schemas, the rules and the admission policies read it, nothing is stored."""
    done = cluster.kubectl("create", "--dry-run=server", "-f", str(examples / name), check=False)
    refusals = [line for line in done.stderr.splitlines() if "already exists" not in line
                and line.strip()]
    assert not refusals, refusals


def test_docs_name_only_files_that_exist():
    missing = []
    for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for name in re.findall(r"(?<![\w./-])(?:docs|dev|charts|crds|manifests|tests|bench)/[\w./*-]*\w",
                               path.read_text(encoding="utf-8")):
            if not any(ROOT.glob(name)):
                missing.append(f"{path.relative_to(ROOT)}: {name}")
    assert not missing


def test_an_agent_may_do_what_an_agent_needs_and_no_more(tenant):
    def allowed(verb, resource, group="sandgate.dev", subresource=""):
        review = tenant.agent.call("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {"namespace": tenant.namespace, "verb": verb,
                                            "group": group, "resource": resource,
                                            "subresource": subresource}}})
        return review["status"]["allowed"]
    yes = [("create", "executions"), ("get", "executions"), ("list", "sandboxes"),
           ("watch", "executions"), ("delete", "sandboxes"), ("patch", "executions"),
           ("get", "approvals")]
    no = [("patch", "approvals"), ("update", "approvals"), ("create", "approvals"),
          ("approve", "risklevels"), ("delete", "executions"), ("patch", "sandboxes")]
    assert [what for what in yes if not allowed(*what)] == []
    assert [what for what in no if allowed(*what)] == []
    assert not allowed("patch", "executions", subresource="status")
    for resource in ("secrets", "pods", "configmaps"):
        assert not allowed("create", resource, "")
