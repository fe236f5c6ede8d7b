"""What the schemas refuse on a real API server, and in which words; nothing is created then."""

import json

import pytest

from conftest import TENANT
from kubeapi import RUN, execution, kubectl, only, path, sandbox, unique, with_run

# --- what is refused, and the field that the message names -------------------------------------

BAD_SANDBOXES = [
    ("neither language nor image", {}, "exactly one of language and image"),
    (
        "both language and image",
        {"language": "python", "image": "a:1"},
        "exactly one of language and image",
    ),
    ("unknown language", {"language": "ruby"}, "spec.language"),
    ("language of a wrong type", {"language": 3}, "spec.language"),
    ("language null", {"language": None}, "exactly one of language and image"),
    ("image with a blank", {"image": "a b"}, "spec.image"),
    ("image that looks like an option", {"image": "--help"}, "spec.image"),
    ("image too long", {"image": "a" * 513}, "spec.image"),
    (
        "negative memory",
        {"language": "python", "resources": {"memory": "-1Mi"}},
        "spec.resources.memory",
    ),
    ("no memory", {"language": "python", "resources": {"memory": "0"}}, "spec.resources.memory"),
    (
        "memory is no quantity",
        {"language": "python", "resources": {"memory": "lots"}},
        "spec.resources.memory",
    ),
    (
        "memory above the hard ceiling",
        {"language": "python", "resources": {"memory": "65Gi"}},
        "spec.resources.memory",
    ),
    (
        "memory is a list",
        {"language": "python", "resources": {"memory": ["1Gi"]}},
        "spec.resources.memory",
    ),
    (
        "memory is fractional",
        {"language": "python", "resources": {"memory": 0.5}},
        "spec.resources.memory",
    ),
    (
        "disk is no quantity",
        {"language": "python", "resources": {"disk": "1 Gi"}},
        "spec.resources.disk",
    ),
    (
        "cpu is no quantity",
        {"language": "python", "resources": {"cpu": "half"}},
        "spec.resources.cpu",
    ),
    (
        "cpu above the hard ceiling",
        {"language": "python", "resources": {"cpu": "65"}},
        "spec.resources.cpu",
    ),
    (
        "domains without network",
        {"language": "python", "network": {"allowedDomains": ["a.example"]}},
        "spec.network.allowedDomains",
    ),
    (
        "domains with network off",
        {"language": "python", "network": {"enabled": False, "allowedDomains": ["a.example"]}},
        "spec.network.allowedDomains",
    ),
    (
        "too many domains",
        {
            "language": "python",
            "network": {"enabled": True, "allowedDomains": [f"a{i}.example" for i in range(65)]},
        },
        "spec.network.allowedDomains",
    ),
    (
        "negative timeout",
        {"language": "python", "limits": {"timeoutSeconds": -1}},
        "spec.limits.timeoutSeconds",
    ),
    (
        "zero timeout",
        {"language": "python", "limits": {"timeoutSeconds": 0}},
        "spec.limits.timeoutSeconds",
    ),
    (
        "fractional timeout",
        {"language": "python", "limits": {"timeoutSeconds": 1.5}},
        "spec.limits.timeoutSeconds",
    ),
    (
        "timeout as a string",
        {"language": "python", "limits": {"timeoutSeconds": "30"}},
        "spec.limits.timeoutSeconds",
    ),
    (
        "timeout beyond 32 bits",
        {"language": "python", "limits": {"timeoutSeconds": 2**40}},
        "spec.limits.timeoutSeconds",
    ),
    (
        "output beyond the hard ceiling",
        {"language": "python", "limits": {"outputBytes": 10485761}},
        "spec.limits.outputBytes",
    ),
    (
        "negative idle timeout",
        {"language": "python", "lifecycle": {"idleTimeoutSeconds": -1}},
        "spec.lifecycle.idleTimeoutSeconds",
    ),
    ("shared is a string", {"language": "python", "shared": "yes"}, "spec.shared"),
    ("spec is a list", [], "spec"),
    ("spec is a string", "python", "spec"),
    ("unknown member", {"language": "python", "runAsRoot": True}, "runAsRoot"),
]

BAD_DOMAINS = [
    "example",
    "*.com",
    "*",
    "a..example",
    "-a.example",
    "a-.example",
    "a.example..",
    ".a.example",
    "a_b.example",
    "user@a.example",
    "a%2e.example",
    "1.2.3.4",
    "[::1]",
    "a.example:443",
    "https://a.example",
    "*.*.example.com",
    "a.*.example",
    "a b.example",
    "",
    "a.1",
    "a.example/x",
    "a.example\n",
    "é:443",
    "x" * 64 + ".example",
]


def written(**members):
    """The spec of a write."""
    return only("WriteFile", writeFile={"path": "a", **members})


BAD_EXECUTIONS = [
    ("no spec members", {}, "spec.sandboxName"),
    ("no operation", {"sandboxName": "one"}, "spec.operation"),
    ("unknown operation", only("Reboot"), "spec.operation"),
    ("operation in another case", only("execute", execute=RUN["execute"]), "spec.operation"),
    ("operation without its member", only("Execute"), "spec.execute"),
    ("another operation's member", only("Execute", readFile={"path": "x"}), "spec.execute"),
    ("two members", with_run(readFile={"path": "x"}), "spec.readFile"),
    (
        "unknown language",
        with_run(execute={"language": "ruby", "code": "1"}),
        "spec.execute.language",
    ),
    ("no language", with_run(execute={"code": "1"}), "spec.execute.language"),
    ("no code", with_run(execute={"language": "python"}), "spec.execute.code"),
    ("empty code", with_run(execute={"language": "python", "code": ""}), "spec.execute.code"),
    (
        "code is a list",
        with_run(execute={"language": "python", "code": ["1"]}),
        "spec.execute.code",
    ),
    (
        "code is an object",
        with_run(execute={"language": "python", "code": {"a": 1}}),
        "spec.execute.code",
    ),
    ("code is a number", with_run(execute={"language": "python", "code": 1}), "spec.execute.code"),
    ("code is null", with_run(execute={"language": "python", "code": None}), "spec.execute.code"),
    ("execute is a string", with_run(execute="print(1)"), "spec.execute"),
    ("negative timeout", with_run(timeoutSeconds=-3), "spec.timeoutSeconds"),
    ("zero timeout", with_run(timeoutSeconds=0), "spec.timeoutSeconds"),
    ("timeout of a year", with_run(timeoutSeconds=31536000), "spec.timeoutSeconds"),
    ("timeout as a string", with_run(timeoutSeconds="3"), "spec.timeoutSeconds"),
    ("timeout as a boolean", with_run(timeoutSeconds=True), "spec.timeoutSeconds"),
    (
        "domains without network",
        with_run(network={"allowedDomains": ["a.example"]}),
        "spec.network.allowedDomains",
    ),
    ("network is a boolean", with_run(network=True), "spec.network"),
    ("sandbox name with a dot", {**RUN, "sandboxName": "a.b"}, "spec.sandboxName"),
    ("sandbox name with a slash", {**RUN, "sandboxName": "../a"}, "spec.sandboxName"),
    ("sandbox name too long", {**RUN, "sandboxName": "a" * 53}, "spec.sandboxName"),
    (
        "package that is an option",
        only("InstallPackage", installPackage={"package": "--index-url=x"}),
        "spec.installPackage.package",
    ),
    (
        "package with a line break",
        only("InstallPackage", installPackage={"package": "a\nb"}),
        "spec.installPackage.package",
    ),
    (
        "package too long",
        only("InstallPackage", installPackage={"package": "a" * 257}),
        "spec.installPackage.package",
    ),
    (
        "registry in capitals",
        only("InstallPackage", installPackage={"package": "a", "registry": "PyPI"}),
        "spec.installPackage.registry",
    ),
    ("no path", only("ReadFile", readFile={}), "spec.readFile.path"),
    ("path with NUL", only("ReadFile", readFile={"path": "a\0b"}), "spec.readFile.path"),
    ("path too long", only("ReadFile", readFile={"path": "a" * 4097}), "spec.readFile.path"),
    (
        "file without content",
        only("WriteFile", writeFile={"path": "a"}),
        "exactly one of content and contentBase64",
    ),
    (
        "file with two contents",
        only("WriteFile", writeFile={"path": "a", "content": "", "contentBase64": "eA=="}),
        "exactly one of content and contentBase64",
    ),
    (
        "content that is no base64",
        only("WriteFile", writeFile={"path": "a", "contentBase64": "%%%"}),
        "spec.writeFile.contentBase64",
    ),
    *[
        (f"base64 as {text!r}", written(contentBase64=text), "spec.writeFile.contentBase64")
        for text in ("YQ", "YQ=", "Y===", "YWJj\n", "YW Jj", "YW-_", "=YWJ")
    ],
    (
        "base64 of one byte too much",
        written(contentBase64="A" * 699052),
        "spec.writeFile.contentBase64",
    ),
    *[
        (f"mode {mode!r}", written(content="", mode=mode), "spec.writeFile.mode")
        for mode in ("", "7", "4755", "00644", "0o644", "888", "rwx", "644 ", 644)
    ],
    ("append as text", written(content="", append="yes"), "spec.writeFile.append"),
    (
        "unknown encoding",
        only("ReadFile", readFile={"path": "a", "encoding": "latin1"}),
        "spec.readFile.encoding",
    ),
    *[
        (f"limit {limit!r}", only("ListFiles", listFiles={"limit": limit}), "spec.listFiles.limit")
        for limit in (0, -1, 4097, "9", 1.5)
    ],
    *[
        (
            f"cursor {cursor[:9]!r}",
            only("ListFiles", listFiles={"cursor": cursor}),
            "spec.listFiles.cursor",
        )
        for cursor in ("", "YQ==", "a/b", "a b", "a" * 513)
    ],
    ("empty list path", only("ListFiles", listFiles={"path": ""}), "spec.listFiles.path"),
    ("unknown member", with_run(privileged=True), "privileged"),
    ("misspelt member", with_run(timeoutseconds=3), "timeoutseconds"),
]


def count(admin, resource):
    return len(admin.get(path(resource, TENANT)).must()["items"])


@pytest.mark.parametrize("what,spec,word", BAD_SANDBOXES, ids=[row[0] for row in BAD_SANDBOXES])
def test_a_bad_sandbox_is_refused_by_name(cluster, what, spec, word):
    body = sandbox(TENANT)
    body["spec"] = spec
    before = count(cluster, "sandboxes")
    cluster.create(path("sandboxes", TENANT), body, fieldValidation="Strict").refused(word)
    assert count(cluster, "sandboxes") == before


@pytest.mark.parametrize("domain", BAD_DOMAINS)
@pytest.mark.parametrize("kind", ["sandboxes", "executions"])
def test_a_bad_domain_is_refused_by_name(cluster, kind, domain):
    network = {"enabled": True, "allowedDomains": ["ok.example", domain]}
    body = (
        sandbox(TENANT, language="python", network=network)
        if kind == "sandboxes"
        else execution(TENANT, **with_run(network=network))
    )
    answer = cluster.create(path(kind, TENANT), body)
    answer.refused("spec.network.allowedDomains[1]")
    if domain:
        answer.refused("must be a domain, for example files.example.com")


@pytest.mark.parametrize(
    "domain",
    [
        "a.example",
        "*.a.example",
        "xn--bcher-kva.example",
        "a-b.c1.example",
        "x" * 63 + ".example",
        # Other spellings, which the operator makes normal; and what only it can judge.
        "Example.COM",
        "a.example.",
        "b\u00fccher.example",
        "\u4f8b\u3048.\u30c6\u30b9\u30c8",
        "*.co.uk",
    ],
)
def test_a_good_domain_is_accepted(cluster, domain):
    body = execution(TENANT, **with_run(network={"enabled": True, "allowedDomains": [domain]}))
    cluster.create(path("executions", TENANT), body, dryRun="All").must()


@pytest.mark.parametrize("what,spec,word", BAD_EXECUTIONS, ids=[row[0] for row in BAD_EXECUTIONS])
def test_a_bad_execution_is_refused_by_name(cluster, what, spec, word):
    body = execution(TENANT)
    body["spec"] = spec
    before = count(cluster, "executions")
    cluster.create(path("executions", TENANT), body, fieldValidation="Strict").refused(word)
    assert count(cluster, "executions") == before


def test_kubectl_names_the_field_and_creates_nothing(cluster):
    name = unique("ex")
    body = execution(TENANT, name, **with_run(timeoutSeconds=-3))
    code, output = kubectl("apply", "-f", "-", user="alice", stdin=json.dumps(body))
    assert code != 0 and "spec.timeoutSeconds" in output
    body = execution(TENANT, name, **with_run(execute={"language": "ruby", "code": "1"}))
    code, output = kubectl("create", "-f", "-", user="alice", stdin=json.dumps(body))
    assert code != 0 and "spec.execute.language" in output and "python" in output
    cluster.get(path("executions", TENANT, name)).refused("not found")


# --- sizes are bytes ---------------------------------------------------------------------------

SIZES = [
    ("ASCII at the limit", "a" * 262144, True),
    ("ASCII above it", "a" * 262145, False),
    ("two bytes a character, at the limit", "é" * 131072, True),
    ("two bytes a character, above it", "é" * 131073, False),
    ("four bytes a character, at the limit", "😀" * 65536, True),
    ("four bytes a character, above it", "😀" * 65537, False),
    ("two megabytes", "a" * 2_000_000, False),
    ("half a megabyte that JSON makes three", "\x01" * 480_000, False),
]


@pytest.mark.parametrize("what,code,fits", SIZES, ids=[row[0] for row in SIZES])
def test_code_is_counted_in_bytes(cluster, what, code, fits):
    name = unique("size")
    body = execution(TENANT, name, **with_run(execute={"language": "python", "code": code}))
    answer = cluster.create(path("executions", TENANT), body)
    if fits:
        stored = cluster.get(path("executions", TENANT, name)).must()
        assert stored["spec"]["execute"]["code"] == code
        cluster.delete(path("executions", TENANT, name)).must()
    else:
        answer.refused("spec.execute.code")
        cluster.get(path("executions", TENANT, name)).refused("not found")


@pytest.mark.parametrize(
    "content,fits",
    [("a" * 524288, True), ("a" * 524289, False), ("é" * 262144, True), ("é" * 262145, False)],
    ids=["limit", "above", "limit of two-byte characters", "above, of two-byte characters"],
)
def test_file_content_is_counted_in_bytes(cluster, content, fits):
    body = execution(TENANT, **only("WriteFile", writeFile={"path": "a", "content": content}))
    answer = cluster.create(path("executions", TENANT), body, dryRun="All")
    assert answer.ok if fits else answer.refused("spec.writeFile.content")


def test_code_of_escapes_is_stored_whole_or_not_at_all(cluster):
    """JSON stores `<` as six bytes, and etcd takes 1.5 MiB in one request."""
    for size, fits in ((240_000, True), (262_144, False)):
        name = unique("escapes")
        body = execution(
            TENANT, name, **with_run(execute={"language": "python", "code": "<" * size})
        )
        answer = cluster.create(path("executions", TENANT), body)
        assert answer.ok == fits, answer.message
        if fits:
            assert (
                cluster.get(path("executions", TENANT, name)).must()["spec"]["execute"]["code"]
                == "<" * size
            )
            cluster.delete(path("executions", TENANT, name)).must()
        else:
            assert "request is too large" in answer.message
            cluster.get(path("executions", TENANT, name)).refused("not found")


@pytest.mark.parametrize("depth", [200, 12_000, 100_000])
def test_deep_json_is_refused(cluster, depth):
    """As a wrong type where a type is known; the API server's own bound on depth ends the rest."""
    name = unique("deep")
    body = json.dumps(
        execution(TENANT, name, **with_run(execute={"language": "python", "code": "@"}))
    )
    deep = body.replace('"@"', "[" * depth + "]" * depth).encode()
    answer = cluster.request("POST", path("executions", TENANT), deep)
    answer.refused("spec.execute.code" if depth < 10_000 else "")
    cluster.get(path("executions", TENANT, name)).refused("not found")


def test_a_member_named_twice_is_refused_when_asked(cluster):
    text = json.dumps(execution(TENANT, unique("twice"))).replace(
        '"code": "print(1)"', '"code": "safe()", "code": "evil()"'
    )
    cluster.request(
        "POST", path("executions", TENANT) + "?fieldValidation=Strict", text.encode()
    ).refused("duplicate field")
