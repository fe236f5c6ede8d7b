"""The usage guide's examples, run as they are written (guide/examples.md)."""

import ast
import datetime
import pathlib
import re

import pytest
import yaml

from harness import guide
from harness.registry import registries
from harness.wait import until

BLOCKS = guide.blocks()


def block(heading):
    """The text of an example; names of registries are those of a deployment."""
    return guide.named_hosts(BLOCKS[heading][1])


@pytest.fixture(autouse=True)
def few_sandboxes(tenant):
    """The examples leave some behind, and the node is small."""
    yield
    kept = {box.name for box in tenant.boxes.values()}
    for sandbox in tenant.agent.list("sandboxes", tenant.namespace):
        if sandbox["metadata"]["name"] not in kept:
            tenant.agent.delete("sandboxes", tenant.namespace, sandbox["metadata"]["name"])


@pytest.fixture
def tools_class(tenant):
    """CodeExecutionTools of this test's caller, as the examples import it."""
    class CodeExecutionTools(guide.CodeExecutionTools):
        gateway = tenant.gateway()
        made = []  # every one that an example makes

        def __init__(self, sandbox_manager):
            super().__init__(sandbox_manager)
            self.made.append(self)
    return CodeExecutionTools


@pytest.fixture
def tools(tools_class):
    return tools_class(guide.SandboxManager(guide.DockerManager()))


def of_tool(tools, name):
    return [result for tool, result in tools.results if tool == name]


def went_well(results):
    assert results
    for result in results:
        assert result["success"] is True and result["error"] is None, result


@pytest.fixture(scope="module")
def registry(cluster):
    """Registries under the names that stand for the guide's, with stand-ins for its packages."""
    with registries(cluster) as running:
        yield running


# --- Quick Start ---


def test_quick_start(tools_class, tenant):
    _, printed = guide.run(block("quick start: basic code execution"), tools_class)
    lines = printed.splitlines()
    assert lines[0] == "Success: True", printed
    assert re.fullmatch(r"Sandbox ID: sandbox-[0-9a-f]+", lines[1]), printed
    assert lines[2].startswith(r"Output:\nPython 3.11") and lines[3] == "Hello from gVisor sandbox!"
    (made,) = tools_class.made
    went_well([result for _, result in made.results])
    name = made.results[0][1]["sandbox_id"]
    until(lambda: tenant.agent.find("sandboxes", tenant.namespace, name) is None, "it is destroyed")


def test_gvisor_is_there_and_runs_a_pod(cluster, tenant):
    """What the guide does with wget and Docker is a RuntimeClass here."""
    block("quick start: install gvisor")
    block("troubleshooting: gvisor installation issues")
    assert cluster.admin.get("runtimeclasses", None, "gvisor")["handler"] == "runsc"
    said = cluster.kubectl("-n", tenant.namespace, "run", "hello", "--image=bash:5.2", "--restart=Never",
                           "--attach", "--quiet", "--overrides", HELLO_OVERRIDES).stdout
    assert "gVisor" in said, said


HELLO_OVERRIDES = """{"spec": {
  "runtimeClassName": "gvisor", "automountServiceAccountToken": false,
  "securityContext": {"runAsNonRoot": true, "runAsUser": 1000,
                      "seccompProfile": {"type": "RuntimeDefault"}},
  "containers": [{"name": "hello", "image": "bash:5.2", "imagePullPolicy": "IfNotPresent",
    "command": ["dmesg"],
    "resources": {"requests": {"cpu": "10m"}, "limits": {"memory": "128Mi"}},
    "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}}]}}"""


# --- Code Execution Tools ---

LANGUAGES = {
    "code_execute: python": r"Square root of 144 is 12\.0\n",
    "code_execute: javascript": r"Sum: 15\n",
    "code_execute: shell": r"Shell: 5\.2\.\d+.*\ntotal \d+\n(?s:.*)",
}


@pytest.mark.parametrize("heading", LANGUAGES)
def test_languages(tools, heading):
    names, _ = guide.run(block(heading), None, tools=tools)
    went_well([names["result"]])
    assert re.fullmatch(LANGUAGES[heading], names["result"]["stdout"]), names["result"]
    guide.run("await tools.code_destroy_sandbox(result['sandbox_id'])", None, **names)


def test_a_run_with_network(tools_class, tenant, registry):
    """Its image has no `requests`: the client runs it in a sandbox where that is installed."""
    hosts = [guide.HOSTS[name] for name in ("PYPI_INDEX_HOST", "PYPI_FILES_HOST")]
    box = tenant.new_box("python", network={"enabled": True, "allowedDomains": hosts})
    prepared = tenant.gateway().tool("code_install_package", {
        "sandbox_id": box.name, "package": "requests==2.31.0"})
    assert prepared.json["success"] is True, prepared

    class Tools(tools_class):
        async def code_execute(self, language, code, **parameters):
            return await super().code_execute(language, code, sandbox_id=box.name, **parameters)

    tools = Tools(guide.SandboxManager(guide.DockerManager()))
    names, _ = guide.run(block("code_execute: with network"), None, tools=tools)
    went_well([names["result"]])
    assert names["result"]["stdout"] == "Status: 200\n", names["result"]
    approval = tenant.approver.seen[names["result"]["execution"]]
    assert approval["spec"]["request"]["risk"] == "CRITICAL", approval
    assert approval["spec"]["request"]["summary"]["domains"] == hosts, approval


INSTALLS = {"code_install_package: python": ("requests", "2.31.0", "Requests version: 2.31.0\n"),
            "code_install_package: javascript": ("axios", "1.6.0", "Axios loaded\n")}


@pytest.mark.parametrize("heading", INSTALLS)
def test_a_package_is_installed_and_used(tools, registry, heading):
    name, version, prints = INSTALLS[heading]
    names, _ = guide.run(block(heading), None, tools=tools)
    went_well([result for _, result in tools.results])
    (install,) = of_tool(tools, "code_install_package")
    assert install["sandbox_id"] == names["result"]["sandbox_id"]
    assert [(one["name"], one["version"]) for one in install["packages"]] == [(name, version)], install
    assert tools.results[-1][1]["stdout"] == prints, tools.results[-1]


def test_files_are_written_used_read_and_listed(tools, python_box):
    """The guide's examples of the three file tools, one after the other in one sandbox."""
    sandbox = {"tools": tools, "sandbox_id": python_box.name}
    names, _ = guide.run(block("code_write_file: example"), None, **sandbox)
    assert names["result"]["stdout"] == "API URL: https://api.example.com\n"
    for result in of_tool(tools, "code_write_file"):
        assert set(result) == {"success", "sandbox_id", "file_path", "error", "execution"}
    _, printed = guide.run(block("code_read_file: example"), None, **sandbox)
    assert printed == "Output: Processing complete\nResults: 42\n\n"
    _, printed = guide.run(block("code_list_files: example"), None, **sandbox)
    files, data = printed.splitlines()
    listed = ast.literal_eval(files.removeprefix("Files: "))
    assert {"config.json", "data", "output.txt"} <= set(listed)
    assert data == "Data files: ['input.csv']"
    went_well([result for _, result in tools.results])


def test_results_have_the_guides_members(tools, python_box):
    """Each "Returns" block against a real result: the same members, the same types."""
    place = {"tools": tools, "sandbox_id": python_box.name}
    guide.run("""
await tools.code_execute(language="python", code="print('Hello, World!')", sandbox_id=sandbox_id)
await tools.code_write_file(sandbox_id=sandbox_id, file_path="output.txt", content="42")
await tools.code_read_file(sandbox_id=sandbox_id, file_path="output.txt")
await tools.code_list_files(sandbox_id=sandbox_id, path=".")
await tools.code_install_package(sandbox_id=sandbox_id, package="requests==2.31.0")
""", None, **place)
    for heading in ("code_execute: returns", "code_read_file: returns", "code_list_files: returns",
                    "code_install_package: returns"):
        (result,) = of_tool(tools, heading.split(":")[0])
        shown = ast.literal_eval(block(heading))
        assert set(shown) <= set(result), result
        for member in set(shown) - {"error"}:
            assert type(result[member]) is type(shown[member]), (member, result)


# --- Resource Constraints ---


def effective(tenant, sandbox):
    return tenant.agent.get("sandboxes", tenant.namespace, sandbox)["status"]["effective"]


def as_effective(limits):
    """The guide's limits as a Sandbox's status has them."""
    return {"memory": f"{limits['max_memory_mb']}Mi", "disk": f"{limits['max_disk_mb']}Mi",
            "cpu": limits["max_cpu_cores"], "timeoutSeconds": limits["max_execution_time"],
            "outputBytes": limits.get("max_output_bytes", 1048576)}


def same_limits(seen, wanted):
    quantity = {"Mi": 2 ** 20, "Gi": 2 ** 30, "m": 0.001}

    def number(value):
        match = re.fullmatch(r"([0-9.]+)(Mi|Gi|m)?", str(value))
        return float(match[1]) * quantity.get(match[2], 1)
    return {name: number(seen[name]) for name in wanted} == \
        {name: number(value) for name, value in wanted.items()}


def test_default_limits(tenant, python_box):
    names, _ = guide.run(block("resource constraints: default limits"), None)
    seen = effective(tenant, python_box.name)
    assert same_limits(seen, as_effective(names["DEFAULT_LIMITS"])), seen


def test_custom_limits(tools, tenant):
    names, _ = guide.run(block("resource constraints: custom limits"), None, tools=tools,
                         SandboxManager=guide.SandboxManager,
                         docker_manager=guide.DockerManager())
    went_well([names["result"]])
    run = tenant.agent.get("executions", tenant.namespace, names["result"]["execution"])
    assert run["spec"]["timeoutSeconds"] == 120
    manager = names["sandbox_manager"]
    own = type(tools)(sandbox_manager=manager)
    names, _ = guide.run('result = await tools.code_execute(language="python", code="print(1)")\n',
                         None, tools=own)
    went_well([names["result"]])
    seen = effective(tenant, names["result"]["sandbox_id"])
    assert same_limits(seen, as_effective(manager.limits)), seen


# --- HITL Integration ---


def dangerous_lines():
    language = None
    for line in block("hitl integration: dangerous patterns").splitlines():
        if line.startswith("#"):
            language = {"# Shell": "shell", "# Pytho": "python"}.get(line[:7])
        else:
            yield language, line


@pytest.mark.parametrize("language,line", list(dangerous_lines()))
def test_dangerous_patterns_are_critical_and_wait_for_a_human(tenant, tools, language, line):
    box = tenant.box(language)
    with tenant.approver.denying():
        names, _ = guide.run("result = await tools.code_execute(language=language, code=line,\n"
                             "                                  sandbox_id=sandbox_id)\n",
                             None, tools=tools, language=language, line=line, sandbox_id=box.name)
    result = names["result"]
    assert result["success"] is False and result["exit_code"] is None, result
    run = tenant.agent.get("executions", tenant.namespace, result["execution"])
    assert run["status"]["phase"] == "Denied", run["status"]
    assert run["status"]["risk"]["level"] == "CRITICAL", run["status"]


@pytest.fixture
def own_policy(cluster):
    """Whatever a test makes of the policy is taken back."""
    before = cluster.policy()
    yield yaml.safe_load(before)
    cluster.set_policy(before)


def seconds_given(approval):
    def moment(text):
        return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    expires = moment(approval["spec"]["request"]["expiresAt"])
    return (expires - moment(approval["metadata"]["creationTimestamp"])).total_seconds()


def test_custom_rules(cluster, tenant, tools, own_policy, python_box):
    names, _ = guide.run(block("hitl integration: configuring rules"), type(tools))
    (rule,) = names["hitl_gate"].policy_rules
    own_policy["security"].setdefault("hitl", {}).setdefault("rules", []).append(rule)
    cluster.set_policy(yaml.safe_dump(own_policy))

    def judged():
        run = python_box.run("print('BitCoin')")
        reasons = " ".join(run.status["risk"]["reasons"])
        # An approval asked for under the old policy admits nothing under the new one.
        return run if rule["description"] in reasons and run.phase == "Succeeded" else None
    run = until(judged, "the rule counts", 240)
    assert run.status["risk"]["level"] == "HIGH", run.status
    # Its 30 seconds are shorter than those of the built-in rule for code; whole seconds are stored.
    assert 29 <= seconds_given(tenant.approver.seen[run.name]) <= 32
    other = python_box.run("print('gold')")
    assert rule["description"] not in " ".join(other.status["risk"]["reasons"])
    assert 59 <= seconds_given(tenant.approver.seen[other.name]) <= 62


def test_the_configuration_reference_is_a_policy(cluster, own_policy, python_box):
    """Loaded as it stands, placeholders and all; the operator works by it."""
    assert own_policy
    before = python_box.run("print(1)").status["admission"]["policyRevision"]
    cluster.set_policy(BLOCKS["configuration reference"][1])

    def another():
        run = python_box.run("print(1)")
        return run.status.get("admission", {}).get("policyRevision", before) != before
    until(another, "the policy is in force", 240)


# --- Complete Example ---


def test_the_data_processing_pipeline(tools_class, registry):
    """As it stands; what it installs as pandas is a stand-in of that name (guide/pandas.py)."""
    _, printed = guide.run(block("complete example: data processing pipeline"), tools_class)
    (made,) = tools_class.made
    went_well([result for _, result in made.results])
    assert r"Output: Processing complete!" in printed, printed
    assert (r"Results:\nTotal Sales: $625" "\nAverage Sale: $156.25\n\nSales by Product:\n"
            " Gadget: $325\n Widget: $300\n") in printed, printed
    files = re.search(r"^Files created: (.*)$", printed, re.M)[1]
    assert {"data", "results.txt"} <= set(ast.literal_eval(files))
    assert printed.splitlines()[-1] == "Cleaning up..."


# --- Troubleshooting ---


def test_managers_need_no_start(tools):
    guide.run(block("troubleshooting: docker manager not started"), None,
              docker_manager=guide.DockerManager(),
              sandbox_manager=guide.SandboxManager(guide.DockerManager()))
    names, _ = guide.run(block("troubleshooting: execution timeout"), None, tools=tools)
    went_well([names["result"]])


def test_sandbox_not_found(tools, tenant):
    gone = tools.gateway.execute("print(1)", sandbox_id="sandbox-000000000000")
    assert gone["error"] == "Sandbox not found" and gone["success"] is False
    names, _ = guide.run(block("troubleshooting: sandbox not found"), None, tools=tools)
    went_well([names["result"]])
    assert tenant.agent.get("sandboxes", tenant.namespace, names["sandbox_id"])


def test_network_access_required_for_package_installation(tools, python_box, registry):
    result = tools.gateway.tool("code_install_package", {"sandbox_id": python_box.name,
                                                         "package": "requests==2.31.0"}).json
    assert result["error"] == "Network access required for package installation", result
    assert result["success"] is False and result["stdout"] == "" and result["registry"] == "pypi"
    names, _ = guide.run(
        block("troubleshooting: network access required for package installation"), None,
        tools=tools)
    went_well([names["result"]])
    install = tools.gateway.tool("code_install_package", {
        "sandbox_id": names["result"]["sandbox_id"], "package": "requests==2.31.0"}).json
    assert install["success"] is True, install


def test_every_example_is_claimed():
    """A block that no test names is an example that nobody runs."""
    source = pathlib.Path(__file__).read_text()
    assert not [heading for heading in BLOCKS if f'"{heading}"' not in source]
