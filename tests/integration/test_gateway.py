"""The gateway's program against a real API server, with the chart's own rights and rules; the test plays the operator."""

import concurrent.futures
import json
import os
import pathlib
import threading

import pytest

import kubeapi
from conftest import AGENT, TENANT
from gateway_program import PRINT, Gateway, account, certificate, finish, server  # noqa: F401
from kubeapi import SYSTEM, path, unique, wait_for

ASYNC = {"Prefer": "respond-async"}


def names(cluster, resource):
    return {item["metadata"]["name"] for item in cluster.get(path(resource, TENANT)).must()["items"]}


def test_a_call_waits_for_its_result(server, cluster, operator, agent):
    before = names(cluster, "executions")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        call = pool.submit(server.execute, agent)
        name = wait_for(lambda: names(cluster, "executions") - before, "an Execution").pop()
        made = cluster.get(path("executions", TENANT, name)).must()
        assert made["spec"]["requester"]["username"] == AGENT
        finish(operator, name, exitCode=0, stdout="1\n", stderr="", executionTimeMillis=7)
        answer = call.result()
    assert answer.code == 200, answer
    sandbox = made["spec"]["sandboxName"]
    assert answer.json == {
        "success": True,
        "sandbox_id": sandbox,
        "stdout": "1\n",
        "stderr": "",
        "exit_code": 0,
        "execution_time": 0.007,
        "error": None,
        "execution": name,
    }
    assert cluster.get(path("sandboxes", TENANT, sandbox)).must()["spec"]["requester"]["username"] == AGENT
    destroy = server.send("POST", "/v1/tools/code_destroy_sandbox", agent, {"sandbox_id": sandbox})
    assert destroy.json == {"success": True, "sandbox_id": sandbox, "error": None}
    again = server.execute(agent, {**PRINT, "sandbox_id": sandbox})
    assert (again.code, again.json["error"]) == (200, "Sandbox not found")


def test_long_outputs_come_whole(server, cluster, operator, agent):
    """From ConfigMaps that agents may not read, once the agent's own token could read the Execution."""
    import base64
    import gzip
    import hashlib

    name = server.execute(agent, **ASYNC).json["execution"]
    uid = cluster.get(path("executions", TENANT, name)).must()["metadata"]["uid"]
    text = "".join(f"line {number}\n" for number in range(20000))
    packed = gzip.compress(text.encode())
    owner = {"apiVersion": "sandgate.dev/v1alpha1", "kind": "Execution", "name": name, "uid": uid}

    def store(part, number, owners):
        body = {
            "metadata": {"name": f"{name}-{number}", "ownerReferences": owners},
            "binaryData": {"data": base64.b64encode(part).decode()},
            "immutable": True,
        }
        operator.create(kubeapi.core("configmaps", TENANT), body).must()
        return f"{name}-{number}"

    half = len(packed) // 2
    maps = [store(packed[:half], 0, [owner]), store(packed[half:], 1, [owner])]
    foreign = store(gzip.compress(b"x" * 40000), 2, [])
    ref = {"configMaps": maps, "bytes": len(text), "sha256": hashlib.sha256(text.encode()).hexdigest()}
    stolen = {"configMaps": [foreign], "bytes": 40000, "sha256": hashlib.sha256(b"x" * 40000).hexdigest()}
    finish(operator, name, exitCode=0, stdout=text[:100], stdoutRef=ref, stderr="start", stderrRef=stolen)
    answer = server.send("GET", f"/v1/executions/{name}", agent)
    assert answer.json["stdout"] == text and "stdout_truncated" not in answer.json
    assert answer.json["stderr"] == "start" and answer.json["stderr_truncated"] is True
    assert agent.get(kubeapi.core("configmaps", TENANT, maps[0])).code == 403


def test_one_key_is_one_call_even_at_once(server, cluster, agent):
    before = names(cluster, "sandboxes"), names(cluster, "executions")
    headers = {**ASYNC, "Idempotency-Key": unique("key")}
    together = threading.Barrier(8)

    def call(_):
        together.wait()
        return server.execute(agent, **headers)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(call, range(8)))
    assert [answer.code for answer in answers] == [202] * 8, answers
    assert len({answer.json["execution"] for answer in answers}) == 1
    assert len(names(cluster, "sandboxes") - before[0]) == 1
    assert len(names(cluster, "executions") - before[1]) == 1
    other = server.execute(agent, {**PRINT, "code": "print(2)"}, **headers)
    assert other.code == 409 and other.json["error"]["field"] == "Idempotency-Key", other


def test_the_callers_rights_count(server, cluster, people, agent):
    before = names(cluster, "sandboxes")
    answer = server.execute(people["carol"])
    assert answer.code == 403 and "carol" in answer.json["error"]["message"], answer
    assert server.execute(agent, **{"Sandgate-Namespace": "kube-system"}).code == 403
    assert names(cluster, "sandboxes") == before
    nobody = kubeapi.Caller(os.environ["KUBECONFIG"]).with_token("nonsense")
    assert server.execute(nobody).code == 401


def test_what_the_api_server_refuses_leaves_nothing(server, cluster, agent):
    quota = {
        "metadata": {"name": "none"},
        "spec": {"hard": {"count/executions.sandgate.dev": "0"}},
    }
    url = kubeapi.core("resourcequotas", TENANT)
    cluster.create(url, quota).must()
    try:
        wait_for(lambda: server.execute(agent, **ASYNC).code == 403, "the quota is known")
        before = names(cluster, "sandboxes")
        answer = server.execute(agent)
        assert answer.code == 403 and "quota" in answer.json["error"]["message"], answer
        assert names(cluster, "sandboxes") == before
    finally:
        cluster.delete(url + "/none").must()


@pytest.mark.parametrize(
    "change,field",
    [
        ({"language": "cobol"}, "language"),
        ({"timeout": -1}, "timeout"),
        ({"code": "x" * 2 * 1024 * 1024}, "code"),
        ({"surprise": 1}, "surprise"),
        ({"limits": {"max_memory_mb": "much"}}, "limits.max_memory_mb"),
    ],
)
def test_bad_input_names_its_field(server, cluster, agent, change, field):
    before = names(cluster, "sandboxes"), names(cluster, "executions")
    answer = server.execute(agent, {**PRINT, **change})
    assert answer.code == 422 and answer.json["error"]["field"] == field, answer
    assert (names(cluster, "sandboxes"), names(cluster, "executions")) == before


def test_the_gateways_own_account_can_write_nothing(account, cluster):
    body = kubeapi.execution(TENANT)
    assert account.create(path("executions", TENANT), body).code == 403
    assert account.create(path("sandboxes", TENANT), kubeapi.sandbox(TENANT)).code == 403
    assert account.patch(path("approvals", TENANT, "x"), kubeapi.YES).code == 403


def test_an_audience_is_demanded(cluster, account, tokens, tmp_path):
    running = Gateway(tmp_path, account, "--required-audience=sandgate")
    try:

        def caller(*audiences):
            url = kubeapi.core("serviceaccounts", TENANT, "agent", "token")
            body = {"spec": {"audiences": list(audiences)}} if audiences else {}
            return cluster.with_token(cluster.create(url, body).must()["status"]["token"])

        issuer = json.loads(
            kubeapi.kubectl("get", "--raw", "/.well-known/openid-configuration")[1]
        )["issuer"]
        assert running.execute(caller(), **ASYNC).code == 401
        both = running.execute(caller(issuer, "sandgate"), **ASYNC)
        assert both.code == 202, both
    finally:
        running.stop()


def test_sigterm_and_a_new_certificate(cluster, account, agent, tmp_path):
    """Whoever waits is told where to ask again; meanwhile a renewed certificate is taken up."""
    running = Gateway(tmp_path, account)
    name = running.execute(agent, **ASYNC).json["execution"]
    certificate(tmp_path, "new")
    for file in ("tls.key", "tls.crt"):
        (tmp_path / f"new.{file[4:]}").replace(tmp_path / file)
    wait_for(
        lambda: any("new TLS certificate in use" in line["msg"] for line in running.lines()),
        "the certificate is taken up",
    )
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(running.send, "GET", f"/v1/executions/{name}?wait=5m", agent)
        wait_for(lambda: running.metric("sandgate_gateway_waiters") == 1, "somebody waits")
        assert running.stop() == 0
        answer = waiting.result()
    assert answer.code == 202 and answer.headers["Location"] == f"/v1/executions/{name}", answer


def test_logs_name_the_execution_and_no_secret(server, agent):
    name = server.execute(agent, {**PRINT, "code": "print('s3cret')"}, **ASYNC).json["execution"]
    wait_for(
        lambda: any(line.get("execution") == f"{TENANT}/{name}" for line in server.lines()), "a line"
    )
    text = pathlib.Path(server.log.name).read_text("utf-8")
    assert "s3cret" not in text
    assert agent.headers["Authorization"].removeprefix("Bearer ")[-40:] not in text
