"""Whatever dies, the code has started once and its result arrives.

The code's own mark counts the starts: each appends a line to a file of the workspace.
"""

import time

import pytest

from harness.wait import until

SECONDS = 20


def long_code(mark, seconds=SECONDS):
    return (f"import time\n"
            f"with open('/workspace/{mark}', 'a') as file: file.write('started\\n')\n"
            f"for i in range({seconds * 2}):\n"
            f"    print(i, flush=True)\n"
            f"    time.sleep(0.5)\n"
            f"print('the end')\n")


def expect_one_start_and_the_whole_result(box, run, mark, seconds=SECONDS):
    assert run.phase == "Succeeded" and run.exit_code == 0, run
    expected = "".join(f"{i}\n" for i in range(seconds * 2)) + "the end\n"
    assert run.stdout == expected, run
    starts = box.run(f"print(open('/workspace/{mark}').read(), end='')")
    assert starts.stdout == "started\n", starts


def test_kill_9_of_the_operator_at_every_moment_of_an_execution(tenant, cluster):
    """Four sandboxes, each at another moment of its 20 s whenever the operator is killed."""
    boxes = [tenant.new_box("python", ready=False) for _ in range(4)]
    for box in boxes:
        box.wait_phase("Ready")
    runs = []
    kills = 0

    def kill():
        nonlocal kills
        cluster.kill_operator()
        kills += 1
    # 0: killed when the Execution was just created; 1: while its approval waits;
    # 2: right after the approver's patch; 3: at its claim.
    runs.append(boxes[0].start(long_code("mark"), timeout=60))
    kill()
    runs[0].wait("Running")
    with tenant.approver.silent():
        runs.append(boxes[1].start(long_code("mark"), timeout=60).wait("AwaitingApproval"))
        kill()
        tenant.alice.patch("approvals", tenant.namespace, until(
            lambda: _pending(tenant, runs[1].name), "it is Pending"),
            {"spec": {"decision": {"verdict": "Approved"}}})
    runs[1].wait("Running")
    runs.append(boxes[2].start(long_code("mark"), timeout=60))
    until(lambda: _decided(tenant, runs[2].name), "alice decided")
    kill()
    runs.append(boxes[3].start(long_code("mark"), timeout=60))
    until(lambda: runs[3].fetch().get("status", {}).get("claim"), "the run is claimed")
    kill()
    # And at whatever moment each is while a new operator has just come up, until all are done.
    while any(run.fetch() and run.phase not in ("Succeeded", "Failed", "Lost") for run in runs):
        cluster.ready_pod("operator")
        running = [run for run in runs if run.fetch() and run.phase == "Running"]
        if running and kills < 8:
            kill()
        else:
            runs[-1].finish(seconds=300)
            for run in runs:
                run.finish(seconds=300)
    for box, run in zip(boxes, runs):
        expect_one_start_and_the_whole_result(box, run, "mark")
        box.delete()
    assert kills >= 4


def _pending(tenant, name):
    found = tenant.admin.find("approvals", tenant.namespace, name)
    return name if found and found.get("status", {}).get("phase") == "Pending" else None


def _decided(tenant, name):
    found = tenant.admin.find("approvals", tenant.namespace, name)
    return found and "decision" in found["spec"]


def test_kill_9_when_the_code_has_just_ended(tenant, cluster, python_box):
    """The operator dies with the result unread; the runner keeps it until it is stored."""
    code = long_code("short", 3)
    run = python_box.start(code).wait("Running")
    started = time.monotonic()
    cluster.scale("sandgate-operator", 0)
    until(lambda: time.monotonic() - started > 5, "the code has ended by now")
    cluster.scale("sandgate-operator", 1)
    run.finish()
    expect_one_start_and_the_whole_result(python_box, run, "short", 3)


@pytest.mark.parametrize("part", ["apiserver", "etcd"])
def test_a_restart_of_the_api_server_during_an_execution(tenant, cluster, python_box, part):
    seconds = 10
    run = python_box.start(long_code(part, seconds), timeout=60).wait("Running")
    cluster.run("dev/cluster", "restart", part)
    tenant.wait_for_rights()
    run.finish()
    expect_one_start_and_the_whole_result(python_box, run, part, seconds)


def test_an_agent_waiting_at_the_gateway_gets_its_answer_although_the_operator_died(
        tenant, cluster, python_box):
    import concurrent.futures
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        answer = pool.submit(tenant.gateway().execute, long_code("through", 6),
                             sandbox_id=python_box.name)
        until(lambda: [e for e in tenant.agent.list("executions", tenant.namespace)
                       if e.get("status", {}).get("phase") == "Running"], "it runs")
        cluster.kill_operator()
        result = answer.result(timeout=300)
    assert result["success"] is True and result["stdout"].endswith("the end\n"), result


def test_a_graceful_restart_of_the_operator_loses_nothing(tenant, cluster, python_box):
    run = python_box.start(long_code("graceful", 6)).wait("Running")
    for pod in cluster.pods("operator"):
        cluster.admin.delete("pods", "sandgate-system", pod["metadata"]["name"])
    run.finish()
    expect_one_start_and_the_whole_result(python_box, run, "graceful", 6)
