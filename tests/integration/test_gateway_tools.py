"""Each tool's call as an Execution that the real API server takes, and its end as that tool's result."""

import base64

import pytest

from conftest import TENANT
from gateway_program import account, finish, server  # noqa: F401
from kubeapi import path, unique

ASYNC = {"Prefer": "respond-async"}
HALF_MIB = 512 * 1024
INSTALLED = [{"name": "axios", "version": "1.6.0", "hash": "sha512-EZ1D=="}, {"name": "ms", "version": "2.1.3"}]


@pytest.fixture(scope="module")
def box(cluster, agent):
    body = {"apiVersion": "sandgate.dev/v1alpha1", "kind": "Sandbox", "metadata": {"name": unique("box")},
            "spec": {"language": "python"}}
    return agent.create(path("sandboxes", TENANT), body).must()["metadata"]["name"]


# The call's own parameters, the operation's member of the spec, how the operator ends it, and the
# result's own members.
CALLS = {
    "code_write_file": (
        {"file_path": "data/in.csv", "content": "naïve,✓\n"},
        ("writeFile", {"path": "data/in.csv", "content": "naïve,✓\n"}),
        {},
        {"file_path": "data/in.csv"},
    ),
    "code_write_file, everything": (
        {"file_path": "run", "content": "AP8=", "encoding": "base64", "append": True, "mode": "0755"},
        ("writeFile", {"path": "run", "contentBase64": "AP8=", "append": True, "mode": "0755"}),
        {},
        {"file_path": "run"},
    ),
    "code_write_file, empty": (
        {"file_path": "empty", "content": ""},
        ("writeFile", {"path": "empty", "content": ""}),
        {},
        {"file_path": "empty"},
    ),
    "code_read_file": (
        {"file_path": "out"},
        ("readFile", {"path": "out"}),
        {"stdout": "42\n", "contentEncoding": "text"},
        {"file_path": "out", "content": "42\n", "encoding": "text"},
    ),
    "code_read_file, bytes": (
        {"file_path": "out", "encoding": "base64"},
        ("readFile", {"path": "out", "encoding": "base64"}),
        {"stdout": "AP8=", "contentEncoding": "base64"},
        {"file_path": "out", "content": "AP8=", "encoding": "base64"},
    ),
    "code_list_files": (
        {},
        ("listFiles", {}),
        {},
        {"path": ".", "files": [], "entries": []},
    ),
    "code_list_files, a page": (
        {"path": "data", "limit": 1, "cursor": "YQ"},
        ("listFiles", {"path": "data", "limit": 1, "cursor": "YQ"}),
        {
            "files": [{"name": "b", "type": "file", "size": 3, "mtime": "2026-01-02T03:04:05Z"}],
            "filesTruncated": True,
            "filesCursor": "Yg",
        },
        {
            "path": "data",
            "files": ["b"],
            "entries": [{"name": "b", "type": "file", "size": 3, "mtime": "2026-01-02T03:04:05Z"}],
            "truncated": True,
            "next_cursor": "Yg",
        },
    ),
    "code_install_package": (
        {"package": "axios@1.6.0", "registry": "npm", "timeout": 120},
        ("installPackage", {"package": "axios@1.6.0", "registry": "npm"}),
        {"exitCode": 0, "stdout": "added 1 package\n", "stderr": "", "packages": INSTALLED},
        {"package": "axios@1.6.0", "registry": "npm", "stdout": "added 1 package\n", "stderr": "",
         "packages": INSTALLED},
    ),
}


@pytest.mark.parametrize("label", CALLS)
def test_a_call_its_execution_and_its_result(server, cluster, operator, agent, box, label):
    tool = label.split(",")[0]
    parameters, (member, spec), status, shape = CALLS[label]
    key = {"Idempotency-Key": unique("key"), **ASYNC}
    body = {"sandbox_id": box, **parameters}
    asked = server.send("POST", f"/v1/tools/{tool}", agent, body, key)
    assert asked.code == 202, asked
    name = asked.json["execution"]
    made = cluster.get(path("executions", TENANT, name)).must()["spec"]
    assert made[member] == spec and made["sandboxName"] == box, made
    # As it came back from the API server it is the same call still.
    again = server.send("POST", f"/v1/tools/{tool}", agent, body, key)
    assert again.code == 202 and again.json["execution"] == name, again
    finish(operator, name, **status)
    answer = server.send("GET", f"/v1/executions/{name}", agent)
    assert answer.code == 200, answer
    assert answer.json == {"success": True, "sandbox_id": box, "error": None, "execution": name, **shape}


@pytest.mark.parametrize(
    "content",
    ["x" * HALF_MIB, "<" * HALF_MIB, "\x01" * HALF_MIB, "é" * (HALF_MIB // 2), "\n" * HALF_MIB,
     "😀" * (HALF_MIB // 4)],
    ids=["plain", "escaped by HTML's rules", "control characters", "two bytes each", "lines", "emoji"],
)
def test_all_of_512_kib_is_stored(server, cluster, agent, box, content):
    """Whatever JSON makes of it: etcd takes 1.5 MiB for an object."""
    body = {"sandbox_id": box, "file_path": "big", "content": content}
    asked = server.send("POST", "/v1/tools/code_write_file", agent, body, ASYNC)
    assert asked.code == 202, asked
    made = cluster.get(path("executions", TENANT, asked.json["execution"])).must()["spec"]["writeFile"]
    stored = made["content"].encode() if "content" in made else base64.b64decode(made["contentBase64"])
    assert stored == content.encode()


@pytest.mark.parametrize("size", [0, 1, 2, 256, HALF_MIB - 2, HALF_MIB - 1, HALF_MIB])
def test_bytes_of_any_value_are_stored(server, cluster, agent, box, size):
    data = (bytes(reversed(range(256))) * (HALF_MIB // 256))[:size]
    body = {"sandbox_id": box, "file_path": "big", "content": base64.b64encode(data).decode(),
            "encoding": "base64"}
    asked = server.send("POST", "/v1/tools/code_write_file", agent, body, ASYNC)
    assert asked.code == 202, asked
    made = cluster.get(path("executions", TENANT, asked.json["execution"])).must()["spec"]["writeFile"]
    assert base64.b64decode(made["contentBase64"]) == data


def test_the_catalog_is_what_a_client_can_check_against(server, agent):
    tools = {tool["name"]: tool for tool in server.send("GET", "/v1/tools", agent).json["tools"]}
    assert set(tools) == {label.split(",")[0] for label in CALLS} | {"code_execute", "code_destroy_sandbox"}
    for label, (parameters, _, _, shape) in CALLS.items():
        tool = tools[label.split(",")[0]]
        assert set(parameters) < set(tool["parameters"]["properties"])
        assert set(shape) < set(tool["result"]["properties"])
