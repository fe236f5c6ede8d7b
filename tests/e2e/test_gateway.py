"""The tools over REST: the guide's Quick Start and what a caller can rely on."""

import concurrent.futures
import json
import re
import socket
import ssl
import threading

import pytest

from harness.gateway import Gateway
from harness.tenant import unique
from harness.wait import until

QUICK_START = """
import sys
print(f"Python {sys.version}")
print("Hello from gVisor sandbox!")
"""


def count(tenant, resource):
    return len(tenant.admin.list(resource, tenant.namespace))


def test_the_quick_start_creates_runs_and_destroys(tenant):
    """As in the guide: a sandbox made by itself, the result's members, the cleanup."""
    gateway = tenant.gateway()
    result = gateway.execute(QUICK_START)
    assert result["success"] is True and result["exit_code"] == 0 and result["error"] is None
    assert result["stdout"].startswith("Python 3.11") and result["stderr"] == ""
    assert "Hello from gVisor sandbox!\n" in result["stdout"]
    assert isinstance(result["execution_time"], (int, float)) and result["execution_time"] >= 0
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", result["sandbox_id"])
    assert tenant.agent.get("executions", tenant.namespace, result["execution"])
    again = gateway.execute("print(open('/proc/version').read())", sandbox_id=result["sandbox_id"])
    assert again["sandbox_id"] == result["sandbox_id"] and "gvisor" in again["stdout"], again
    answer = gateway.destroy(result["sandbox_id"])
    assert answer.code == 200 and answer.json["success"] is True, answer
    until(lambda: tenant.agent.find("sandboxes", tenant.namespace, result["sandbox_id"]) is None,
          "the sandbox is gone")
    late = gateway.tool("code_execute", {"language": "python", "code": "print(1)",
                                         "sandbox_id": result["sandbox_id"]})
    assert late.code in (200, 404), late
    text = late.text
    assert "Sandbox not found" in text or "SandboxNotFound" in text, late


def test_a_failing_program_is_a_result_and_no_error(tenant, python_box):
    result = tenant.gateway().execute("import sys; print('x'); sys.exit(3)",
                                      sandbox_id=python_box.name)
    assert (result["success"], result["exit_code"], result["stdout"]) == (False, 3, "x\n")


@pytest.mark.parametrize("verdict", ["Denied"])
def test_a_denied_call_is_a_result(tenant, python_box, verdict):
    with tenant.approver.answering(verdict):
        result = tenant.gateway().execute("print(1)", sandbox_id=python_box.name)
    assert result["success"] is False and result["error"], result
    assert result["exit_code"] is None and result["stdout"] == "", result


def test_the_execution_belongs_to_the_caller_not_to_the_gateway(tenant, python_box):
    result = tenant.gateway().execute("print(1)", sandbox_id=python_box.name)
    made = tenant.admin.get("executions", tenant.namespace, result["execution"])
    assert made["spec"]["requester"]["username"] == \
        f"system:serviceaccount:{tenant.namespace}:agent"


def test_an_idempotency_key_gives_one_run_and_the_same_answer(tenant, python_box):
    gateway, key = tenant.gateway(), unique("key")
    code = "open('/workspace/count', 'a').write('x'); print(len(open('/workspace/count').read()))"
    call = {"headers": {"Idempotency-Key": key}, "sandbox_id": python_box.name}
    first = gateway.execute(code, **call)
    second = gateway.execute(code, **call)
    assert first["stdout"] == second["stdout"] == "1\n"
    assert first["execution"] == second["execution"]
    other = gateway.tool("code_execute", {"language": "python", "code": "print('other')",
                                          "sandbox_id": python_box.name}, call["headers"])
    assert other.code == 409, other
    # Another caller's key is another key.
    box = tenant.new_box("python", user=tenant.second_agent)
    third = tenant.gateway(tenant.second_agent).execute("print('mine')", sandbox_id=box.name,
                                                        headers={"Idempotency-Key": key})
    assert third["stdout"] == "mine\n"
    box.delete()


def test_two_calls_at_once_with_one_key_make_one_execution_and_one_sandbox(tenant):
    gateway, headers = tenant.gateway(), {"Idempotency-Key": unique("key")}
    before = count(tenant, "sandboxes"), count(tenant, "executions")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        results = [pool.submit(gateway.execute, "echo once", "shell", headers) for _ in range(2)]
        first, second = (result.result() for result in results)
    assert first["execution"] == second["execution"] and first["stdout"] == "once\n"
    assert (count(tenant, "sandboxes"), count(tenant, "executions")) == \
        (before[0] + 1, before[1] + 1)
    gateway.destroy(first["sandbox_id"])


def test_respond_async_answers_at_once_and_the_result_waits(tenant, python_box):
    gateway = tenant.gateway()
    with tenant.approver.silent():
        answer = gateway.tool("code_execute", {
            "language": "python", "code": "print('later')", "sandbox_id": python_box.name},
            {"Prefer": "respond-async"})
        assert answer.code == 202, answer
        place = answer.headers["Location"]
        assert re.fullmatch(r"/v1/executions/[a-z0-9-]+", place)
        name = place.rsplit("/", 1)[1]
        until(lambda: _pending(tenant, name), "it waits for approval")
        waiting = gateway.send("GET", place)
        assert waiting.code == 202 and waiting.json["phase"] == "AwaitingApproval", waiting
        bounded = gateway.send("GET", place + "?wait=1s")
        assert bounded.code == 202, bounded
    tenant.alice.patch("approvals", tenant.namespace, name,
                       {"spec": {"decision": {"verdict": "Approved"}}})
    done = gateway.send("GET", place + "?wait=30s")
    assert done.code == 200 and done.json["stdout"] == "later\n", done


def _pending(tenant, name):
    found = tenant.admin.find("approvals", tenant.namespace, name)
    return found and found.get("status", {}).get("phase") == "Pending"


@pytest.mark.parametrize("token", [None, "", "nonsense", "a.b.c", "x" * 4000])
def test_without_a_good_token_401(tenant, cluster, token):
    gateway = Gateway(cluster.gateway_url, cluster.gateway_ca, token)
    answer = gateway.tool("code_execute", {"language": "python", "code": "print(1)"})
    assert answer.code == 401, answer
    assert answer.error["code"] and answer.error["message"]


def test_without_the_right_403(tenant, cluster):
    """carol may look only; and the agent has no rights in another namespace."""
    carol = Gateway(cluster.gateway_url, cluster.gateway_ca, cluster.person("carol").token,
                    tenant.namespace)
    body = {"language": "python", "code": "print(1)"}
    before = count(tenant, "sandboxes")
    assert carol.tool("code_execute", body).code == 403
    elsewhere = tenant.gateway()
    elsewhere.headers["Sandgate-Namespace"] = "sandgate-system"
    assert elsewhere.tool("code_execute", body).code == 403
    assert count(tenant, "sandboxes") == before


@pytest.mark.parametrize("method,path,codes", [
    ("GET", "/v1/executions/no-such-execution", (404,)),
    ("POST", "/v1/tools/no_such_tool", (404,)),
    ("GET", "/no/such/page", (404,)),
    ("GET", "/v1/executions/..%2f..%2fsecrets", (400, 404)),
    ("GET", "/v1/executions/UPPER", (400, 404)),
    ("DELETE", "/v1/tools/code_execute", (404, 405)),
])
def test_what_is_not_there_is_404(tenant, method, path, codes):
    answer = tenant.gateway().send(method, path, {} if method == "POST" else None)
    assert answer.code in codes and answer.error["code"], answer


def test_an_execution_of_another_namespace_is_not_shown(tenant, python_box, cluster):
    from harness.tenant import Tenant
    result = tenant.gateway().execute("print('secret')", sandbox_id=python_box.name)
    other = Tenant(cluster, "stranger")
    try:
        answer = other.gateway().execution(result["execution"])
        assert answer.code == 404 and "secret" not in answer.text
        answer = Gateway(cluster.gateway_url, cluster.gateway_ca, other.agent.token,
                         tenant.namespace).execution(result["execution"])
        assert answer.code in (403, 404) and "secret" not in answer.text
    finally:
        other.close()


def test_a_wrong_content_type_is_415(tenant):
    answer = tenant.gateway().tool("code_execute", b"language=python",
                                   {"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.code == 415, answer


def test_large_headers_are_refused(tenant):
    try:
        answer = tenant.gateway().send("GET", "/v1/tools", headers={"X-Large": "x" * 100_000})
        assert answer.code in (400, 413, 431), answer
    except (ConnectionError, ssl.SSLError, __import__("http.client").client.HTTPException):
        pass  # closed without a word: refused as well
    assert tenant.gateway().send("GET", "/no/such/page").code == 404


def test_slow_and_silent_connections_do_not_stop_others(tenant, cluster, python_box):
    """Two hundred connections that say nothing, or half a header."""
    gateway = tenant.gateway()
    held = []
    try:
        for number in range(200):
            try:
                raw = socket.create_connection((gateway.url.hostname, gateway.url.port or 443), 10)
                held.append(raw)
                if number % 2:
                    wrapped = gateway.context.wrap_socket(raw, server_hostname=gateway.url.hostname)
                    held[-1] = wrapped
                    wrapped.sendall(b"POST /v1/tools/code_execute HTTP/1.1\r\nHost: x\r\nX-Slow: ")
            except (OSError, ssl.SSLError):
                pass  # the gateway's own limit of connections
        result = gateway.execute("print('still')", sandbox_id=python_box.name)
        assert result["stdout"] == "still\n"
    finally:
        for connection in held:
            connection.close()


def test_waiting_callers_hold_no_threads(tenant, cluster, python_box):
    """Fifty calls wait for an approval; the gateway has as many threads as before."""
    gateway = tenant.gateway()
    pod = cluster.ready_pod("gateway")

    def threads():
        (process,) = cluster.processes(pod, "sandgate-gateway")
        with open(f"/proc/{process}/status", encoding="utf-8") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("Threads:"))
    before = threads()
    asked = threading.Barrier(9)

    def call(number):
        asked.wait()
        return gateway.execute(f"print({number})", sandbox_id=python_box.name)
    with tenant.approver.silent(), concurrent.futures.ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(call, number) for number in range(8)]
        asked.wait()
        until(lambda: len([a for a in tenant.alice.list("approvals", tenant.namespace)
                           if a.get("status", {}).get("phase") == "Pending"]) >= 8,
              "eight calls wait")
        assert threads() == before
        for approval in tenant.alice.list("approvals", tenant.namespace):
            if approval["status"]["phase"] == "Pending":
                tenant.alice.patch("approvals", tenant.namespace, approval["metadata"]["name"],
                                   {"spec": {"decision": {"verdict": "Denied"}}})
        results = [call.result() for call in calls]
    assert all(result["success"] is False for result in results)


def test_the_certificate_is_checked_against_the_given_ca(cluster):
    gateway = Gateway(cluster.gateway_url, cluster.gateway_ca)
    gateway.context = ssl.create_default_context()
    with pytest.raises(ssl.SSLError):
        gateway.send("GET", "/v1/tools")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_tls_is_refused(cluster, version):
    gateway = Gateway(cluster.gateway_url, cluster.gateway_ca)
    with __import__("warnings").catch_warnings():
        __import__("warnings").simplefilter("ignore")
        gateway.context.minimum_version = version
        gateway.context.maximum_version = version
    gateway.context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(OSError):
        gateway.send("GET", "/v1/tools")


def test_custom_limits_for_a_new_sandbox(tenant):
    result = tenant.gateway().tool("code_execute", {
        "language": "shell", "code": "echo x", "limits": {"max_memory_mb": 256, "max_disk_mb": 64}})
    assert result.code == 200 and result.json["stdout"] == "x\n", result
    made = tenant.agent.get("sandboxes", tenant.namespace, result.json["sandbox_id"])
    effective = json.dumps(made["status"]["effective"])
    assert "256Mi" in effective or str(256 * 1024 * 1024) in effective, effective
    tenant.gateway().destroy(result.json["sandbox_id"])
