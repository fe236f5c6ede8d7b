"""Bad input to the CRDs and to the gateway: refused with the field's name; nothing is created."""

import pytest

from harness.tenant import API, unique

MEGABYTE = 1024 * 1024


def execution(**spec):
    return "executions", {"sandboxName": "box", "operation": "Execute",
                          "execute": {"language": "python", "code": "print(1)"}, **spec}


def sandbox(**spec):
    return "sandboxes", {"language": "python", **spec}


def deep(levels):
    value = {}
    for _ in range(levels):
        value = {"a": value}
    return value


# What is wrong, (resource, spec), the field that the refusal must name.
OBJECTS = [
    ("unknown language", execution(execute={"language": "cobol", "code": "x"}), "language"),
    ("no language", execution(execute={"code": "x"}), "language"),
    ("empty code", execution(execute={"language": "python", "code": ""}), "code"),
    ("no code", execution(execute={"language": "python"}), "code"),
    ("code is a number", execution(execute={"language": "python", "code": 7}), "code"),
    ("code is a list", execution(execute={"language": "python", "code": ["x"]}), "code"),
    ("256 KiB and one byte", execution(execute={"language": "python", "code": "x" * 262145}), "code"),
    ("256 KiB of characters, more bytes",
     execution(execute={"language": "python", "code": "\u00e9" * 200000}), "code"),
    ("2 MB of code", execution(execute={"language": "python", "code": "x" * 2 * MEGABYTE}), "code"),
    ("negative timeout", execution(timeoutSeconds=-1), "timeoutSeconds"),
    ("timeout zero", execution(timeoutSeconds=0), "timeoutSeconds"),
    ("timeout is a fraction", execution(timeoutSeconds=1.5), "timeoutSeconds"),
    ("timeout is text", execution(timeoutSeconds="3"), "timeoutSeconds"),
    ("timeout beyond a day", execution(timeoutSeconds=86401), "timeoutSeconds"),
    ("timeout beyond 32 bits", execution(timeoutSeconds=2 ** 40), "timeoutSeconds"),
    ("unknown operation", execution(operation="Explode"), "operation"),
    ("another operation's member",
     execution(operation="ReadFile"), "execute"),
    ("two members", execution(readFile={"path": "a"}), "readFile"),
    ("no sandbox", ("executions", {"operation": "Execute", "execute": {
        "language": "python", "code": "x"}}), "sandboxName"),
    ("sandbox is a path", execution(sandboxName="../other"), "sandboxName"),
    ("domains without network", execution(network={"allowedDomains": ["example.com"]}),
     "allowedDomains"),
    ("domain is an address", execution(network={"enabled": True, "allowedDomains": ["10.0.0.1"]}),
     "allowedDomains"),
    ("domain with a port",
     execution(network={"enabled": True, "allowedDomains": ["example.com:443"]}), "allowedDomains"),
    ("network is a list", execution(network=[]), "network"),
    ("spec is text", ("executions", "print(1)"), "spec"),
    ("neither language nor image", ("sandboxes", {}), "language"),
    ("language and image", sandbox(image="python:3.11-slim"), "language"),
    ("unknown language of a sandbox", sandbox(language="ruby"), "language"),
    ("memory is a word", sandbox(resources={"memory": "lots"}), "memory"),
    ("negative memory", sandbox(resources={"memory": "-1Mi"}), "memory"),
    ("memory beyond any node", sandbox(resources={"memory": "65Gi"}), "memory"),
    ("zero disk", sandbox(resources={"disk": "0"}), "disk"),
    ("cpu is an object", sandbox(resources={"cpu": {"n": 1}}), "cpu"),
    ("negative output", sandbox(limits={"outputBytes": -1}), "outputBytes"),
    ("negative idle timeout", sandbox(lifecycle={"idleTimeoutSeconds": -1}), "idleTimeoutSeconds"),
    ("shared is text", sandbox(shared="yes"), "shared"),
]


@pytest.mark.parametrize("label,thing,field", OBJECTS, ids=[entry[0] for entry in OBJECTS])
def test_the_api_server_refuses_and_names_the_field(tenant, label, thing, field):
    resource, spec = thing
    name = unique("bad")
    body = {"apiVersion": API, "kind": {"executions": "Execution", "sandboxes": "Sandbox"}[resource],
            "metadata": {"name": name}, "spec": spec}
    code, text = tenant.agent.send(
        "POST", f"/apis/sandgate.dev/v1alpha1/namespaces/{tenant.namespace}/{resource}", body)
    assert code in (400, 422), (code, text[:500])
    assert field in text, text[:500]
    assert tenant.admin.find(resource, tenant.namespace, name) is None


@pytest.mark.parametrize("unknown", ["spec", "execute"])
def test_kubectl_refuses_an_unknown_field(tenant, cluster, unknown):
    """Strict validation is kubectl's default."""
    extra = {"spec": "  surprise: 1", "execute": "    surprise: 1"}[unknown]
    text = (f"apiVersion: {API}\nkind: Execution\nmetadata: {{name: strict}}\nspec:\n"
            "  sandboxName: box\n  operation: Execute\n  execute:\n    language: python\n"
            f"    code: print(1)\n{extra}\n")
    done = cluster.kubectl("-n", tenant.namespace, "create", "-f", "-", user=tenant.agent,
                           stdin=text, check=False)
    assert done.returncode != 0 and "surprise" in done.stderr, done.stderr
    assert tenant.admin.find("executions", tenant.namespace, "strict") is None


@pytest.mark.parametrize("resource,name", [
    ("executions", "x" * 64), ("executions", "with.dot"), ("sandboxes", "x" * 53),
    ("sandboxes", "with.dot")])
def test_names_that_do_not_fit_are_refused(tenant, resource, name):
    kind, spec = {"executions": ("Execution", execution()[1]),
                  "sandboxes": ("Sandbox", sandbox()[1])}[resource]
    code, text = tenant.agent.send(
        "POST", f"/apis/sandgate.dev/v1alpha1/namespaces/{tenant.namespace}/{resource}",
        {"apiVersion": API, "kind": kind, "metadata": {"name": name}, "spec": spec})
    assert code in (400, 422) and "name" in text, (code, text[:300])


def test_deep_json_is_refused_by_the_api_server(tenant):
    text = '{"a":' * 20000 + "1" + "}" * 20000
    code, _ = tenant.agent.send(
        "POST", f"/apis/sandgate.dev/v1alpha1/namespaces/{tenant.namespace}/executions", text)
    assert code in (400, 413, 422)


# The gateway: what is wrong, tool, body, status codes, field (None: no field is to blame).
CALLS = [
    ("unknown language", "code_execute", {"language": "cobol", "code": "x"}, (400, 422), "language"),
    ("language is a number", "code_execute", {"language": 1, "code": "x"}, (400, 422), "language"),
    ("no language", "code_execute", {"code": "x"}, (400, 422), "language"),
    ("no code", "code_execute", {"language": "python"}, (400, 422), "code"),
    ("code is null", "code_execute", {"language": "python", "code": None}, (400, 422), "code"),
    ("code is an object", "code_execute", {"language": "python", "code": {}}, (400, 422), "code"),
    ("empty code", "code_execute", {"language": "python", "code": ""}, (400, 422), "code"),
    ("too much code", "code_execute", {"language": "python", "code": "x" * 262145},
     (400, 413, 422), "code"),
    ("negative timeout", "code_execute", {"language": "python", "code": "x", "timeout": -1},
     (400, 422), "timeout"),
    ("timeout is text", "code_execute", {"language": "python", "code": "x", "timeout": "3"},
     (400, 422), "timeout"),
    ("timeout is a fraction", "code_execute", {"language": "python", "code": "x", "timeout": 0.5},
     (400, 422), "timeout"),
    ("timeout is endless", "code_execute", {"language": "python", "code": "x", "timeout": 10 ** 30},
     (400, 422), "timeout"),
    ("network is text", "code_execute",
     {"language": "python", "code": "x", "network_enabled": "yes"}, (400, 422), "network_enabled"),
    ("domains are text", "code_execute",
     {"language": "python", "code": "x", "network_enabled": True, "allowed_domains": "a.com"},
     (400, 422), "allowed_domains"),
    ("domain is an address", "code_execute",
     {"language": "python", "code": "x", "network_enabled": True, "allowed_domains": ["10.0.0.1"]},
     (400, 422), "allowed_domains"),
    ("unknown parameter", "code_execute", {"language": "python", "code": "x", "surprise": 1},
     (400, 422), "surprise"),
    ("sandbox is a path", "code_execute",
     {"language": "python", "code": "x", "sandbox_id": "../../namespaces"}, (400, 404, 422),
     "sandbox_id"),
    ("sandbox is a list", "code_execute",
     {"language": "python", "code": "x", "sandbox_id": []}, (400, 422), "sandbox_id"),
    ("limits are text", "code_execute", {"language": "python", "code": "x", "limits": "all"},
     (400, 422), "limits"),
    ("nothing to destroy", "code_destroy_sandbox", {}, (400, 422), "sandbox_id"),
    ("no sandbox to write in", "code_write_file", {"file_path": "f", "content": "c"}, (422,),
     "sandbox_id"),
    ("no path to write", "code_write_file", {"sandbox_id": "a", "content": "c"}, (422,),
     "file_path"),
    ("empty path to write", "code_write_file",
     {"sandbox_id": "a", "file_path": "", "content": "c"}, (422,), "file_path"),
    ("path with a NUL", "code_write_file",
     {"sandbox_id": "a", "file_path": "f\x00", "content": "c"}, (422,), "file_path"),
    ("path of a megabyte", "code_write_file",
     {"sandbox_id": "a", "file_path": "f" * MEGABYTE, "content": "c"}, (422,), "file_path"),
    ("no content", "code_write_file", {"sandbox_id": "a", "file_path": "f"}, (422,), "content"),
    ("content is a number", "code_write_file",
     {"sandbox_id": "a", "file_path": "f", "content": 7}, (422,), "content"),
    ("content of 512 KiB and a byte", "code_write_file",
     {"sandbox_id": "a", "file_path": "f", "content": "x" * (MEGABYTE // 2 + 1)}, (422,),
     "content"),
    ("content of 512 KiB of characters, more bytes", "code_write_file",
     {"sandbox_id": "a", "file_path": "f", "content": "\u00e9" * (MEGABYTE // 2)}, (422,),
     "content"),
    ("content that is no base64", "code_write_file",
     {"sandbox_id": "a", "file_path": "f", "content": "AA=", "encoding": "base64"}, (422,),
     "content"),
    ("unknown encoding", "code_write_file",
     {"sandbox_id": "a", "file_path": "f", "content": "c", "encoding": "latin-1"}, (422,),
     "encoding"),
    ("append is text", "code_write_file",
     {"sandbox_id": "a", "file_path": "f", "content": "c", "append": "yes"}, (422,), "append"),
    ("mode is a number", "code_write_file",
     {"sandbox_id": "a", "file_path": "f", "content": "c", "mode": 493}, (422,), "mode"),
    ("mode with setuid", "code_write_file",
     {"sandbox_id": "a", "file_path": "f", "content": "c", "mode": "4755"}, (422,), "mode"),
    ("unknown parameter of a write", "code_write_file",
     {"sandbox_id": "a", "file_path": "f", "content": "c", "overwrite": True}, (422,),
     "overwrite"),
    ("no path to read", "code_read_file", {"sandbox_id": "a"}, (422,), "file_path"),
    ("path to read is a list", "code_read_file", {"sandbox_id": "a", "file_path": ["f"]}, (422,),
     "file_path"),
    ("unknown encoding of a read", "code_read_file",
     {"sandbox_id": "a", "file_path": "f", "encoding": "hex"}, (422,), "encoding"),
    ("unknown parameter of a read", "code_read_file",
     {"sandbox_id": "a", "file_path": "f", "offset": 3}, (422,), "offset"),
    ("path to list is empty", "code_list_files", {"sandbox_id": "a", "path": ""}, (422,), "path"),
    ("limit of zero", "code_list_files", {"sandbox_id": "a", "limit": 0}, (422,), "limit"),
    ("limit above the most", "code_list_files", {"sandbox_id": "a", "limit": 4097}, (422,),
     "limit"),
    ("cursor is a number", "code_list_files", {"sandbox_id": "a", "cursor": 1}, (422,), "cursor"),
    ("unknown parameter of a list", "code_list_files", {"sandbox_id": "a", "recursive": True},
     (422,), "recursive"),
    ("no package", "code_install_package", {"sandbox_id": "a"}, (422,), "package"),
    ("empty package", "code_install_package", {"sandbox_id": "a", "package": ""}, (422,),
     "package"),
    ("package is an option", "code_install_package",
     {"sandbox_id": "a", "package": "--index-url=https://evil.example.com"}, (422,), "package"),
    ("package with a line break", "code_install_package",
     {"sandbox_id": "a", "package": "requests\n-r /etc/passwd"}, (422,), "package"),
    ("registry is an address", "code_install_package",
     {"sandbox_id": "a", "package": "requests", "registry": "https://evil.example.com"}, (422,),
     "registry"),
    ("unknown parameter of an install", "code_install_package",
     {"sandbox_id": "a", "package": "requests", "upgrade": True}, (422,), "upgrade"),
    ("body is a list", "code_execute", [], (400, 422), None),
    ("body is text", "code_execute", "x", (400, 422), None),
    ("body is not JSON", "code_execute", b"{", (400,), None),
    ("body is empty", "code_execute", b"", (400,), None),
    ("a member twice", "code_execute",
     b'{"language": "python", "code": "print(1)", "code": "print(2)"}', (400,), None),
    ("trailing bytes", "code_execute", b'{"language": "python", "code": "1"} x', (400,), None),
    ("deep JSON", "code_execute",
     b'{"language": "python", "code": "x", "limits": ' + b'{"a":' * 5000 + b"1" + b"}" * 5001,
     (400,), None),
    ("bytes that are not UTF-8", "code_execute", b'{"language": "python", "code": "\xff\xfe"}',
     (400,), None),
    ("2 MB of code", "code_execute", {"language": "python", "code": "x" * 2 * MEGABYTE},
     (400, 422), "code"),
    ("20 MB of anything", "code_execute", b"[" + b" " * 20 * MEGABYTE, (413,), None),
]


def made(tenant):
    return {resource: len(tenant.admin.list(resource, tenant.namespace))
            for resource in ("sandboxes", "executions", "approvals", "pods")}


@pytest.mark.parametrize("label,tool,body,codes,field", CALLS, ids=[entry[0] for entry in CALLS])
def test_the_gateway_refuses_and_names_the_field(tenant, label, tool, body, codes, field):
    before = made(tenant)
    try:
        answer = tenant.gateway().tool(tool, body)
    except OSError:  # a closed connection, or TLS's word for it
        # It answered before it had read everything, and closed: that is a refusal too.
        assert label.startswith("20 MB")
        answer = None
    if answer:
        assert answer.code in codes, answer
        assert answer.error["code"] and answer.error["message"]
        if field:
            assert answer.error.get("field") == field or field in answer.error["message"], answer
    assert made(tenant) == before


def test_the_gateway_still_works_after_all_that(tenant, python_box):
    assert tenant.gateway().execute("print(1)", sandbox_id=python_box.name)["stdout"] == "1\n"
