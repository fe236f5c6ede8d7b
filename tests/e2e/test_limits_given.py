"""Every limit of the guide: at its default, as a sandbox names it, as a call names it, and no
higher than the deployment's ceiling."""

import concurrent.futures

import pytest

from harness.wait import until

MIB = 2 ** 20
DISK = "import os\nstat = os.statvfs('/workspace')\nprint(stat.f_blocks * stat.f_frsize)"
SLEEPER = "import time\nprint('so far', flush=True)\ntime.sleep({})\nprint('the end')"


def code_that_takes(mebibytes):
    """It holds that much memory at once, and says so."""
    return f"held = bytearray(b'x') * ({mebibytes} << 20)\nprint(len(held) >> 20)"


def runner(tenant, sandbox):
    """The container that runs the code of a sandbox, as the pod has it."""
    pod = tenant.admin.get("pods", tenant.namespace, f"sgsb-{sandbox}")
    return pod["spec"]["containers"][0]["resources"]["limits"]


def destroy(tenant, sandbox):
    answer = tenant.gateway().destroy(sandbox)
    assert answer.code == 200 and answer.json["success"], answer


def with_limits(tenant, code, language="python", **limits):
    """The result of a call that makes a sandbox with these limits."""
    return tenant.gateway().execute(code, language, limits=limits)


def test_the_defaults_are_the_guides(tenant, python_box):
    effective = python_box.fetch()["status"]["effective"]
    assert effective["timeoutSeconds"] == 30 and effective["outputBytes"] == MIB, effective
    assert runner(tenant, python_box.name)["cpu"] in ("500m", "0.5")
    assert python_box.run(DISK).stdout == f"{1024 * MIB}\n"
    assert python_box.run(code_that_takes(300)).stdout == "300\n"
    over = python_box.run(code_that_takes(600))
    assert over.phase == "Failed" and over.exit_code != 0, over
    assert "emory" in over.error + over.stderr, over


def test_time_by_default_by_sandbox_and_by_call(tenant):
    """30 seconds without a word; a call's own timeout counts, above and below the sandbox's."""
    gateway = tenant.gateway()
    boxes = {"default": tenant.new_box("python"),
             "short": tenant.new_box("python", limits={"timeoutSeconds": 4}),
             "long": tenant.new_box("python")}

    def call(box, seconds, **parameters):
        return gateway.execute(SLEEPER.format(seconds), sandbox_id=boxes[box].name, **parameters)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        ended = pool.submit(call, "default", 1000)
        goes_on = pool.submit(call, "long", 32, timeout=60)
        short = call("short", 1000)
        longer = call("short", 6, timeout=120)
        results = {"ended": ended.result(), "goes_on": goes_on.result()}
    assert (short["exit_code"], short["error"]) == (-1, "TimeoutError"), short
    assert 4 <= short["execution_time"], short
    assert longer["success"] and longer["stdout"] == "so far\nthe end\n", longer
    ended, goes_on = results["ended"], results["goes_on"]
    assert (ended["exit_code"], ended["error"]) == (-1, "TimeoutError"), ended
    assert ended["stdout"] == "so far\n" and 30 <= ended["execution_time"], ended
    assert goes_on["success"] and goes_on["execution_time"] >= 32, goes_on
    for box in boxes.values():
        box.delete()


def test_memory_of_a_sandbox(tenant):
    result = with_limits(tenant, code_that_takes(60), max_memory_mb=128)
    assert result["success"] and result["stdout"] == "60\n", result
    name = result["sandbox_id"]
    over = tenant.gateway().execute(code_that_takes(300), sandbox_id=name)
    assert over["success"] is False and over["exit_code"] != 0, over
    assert "emory" in (over["error"] or "") + over["stderr"], over
    assert tenant.gateway().execute("print('on')", sandbox_id=name)["stdout"] == "on\n"
    destroy(tenant, name)


def test_disk_of_a_sandbox(tenant):
    result = with_limits(tenant, DISK, max_disk_mb=64)
    assert result["stdout"] == f"{64 * MIB}\n", result
    full = tenant.gateway().execute(
        "open('/workspace/big', 'wb').write(bytes(70 << 20))", sandbox_id=result["sandbox_id"])
    assert full["success"] is False and "No space left on device" in full["stderr"], full
    destroy(tenant, result["sandbox_id"])


def test_cpu_of_a_sandbox(tenant):
    result = with_limits(tenant, "echo x", "shell", max_cpu_cores=0.25)
    assert runner(tenant, result["sandbox_id"])["cpu"] == "250m"
    destroy(tenant, result["sandbox_id"])


def test_output_of_a_sandbox(tenant):
    result = with_limits(tenant, "printf 0123456789; printf abcdefghij >&2", "shell",
                         max_output_bytes=4)
    assert result["stdout"].startswith("0123") and "4567" not in result["stdout"], result
    assert result["stdout"].rstrip().endswith("[OUTPUT TRUNCATED]"), result
    assert result["stderr"].startswith("abcd") and "efgh" not in result["stderr"], result
    assert result["stdout_truncated"] is result["stderr_truncated"] is True, result
    destroy(tenant, result["sandbox_id"])


CEILINGS = {
    "max_memory_mb": (2049, "2048"),
    "max_cpu_cores": (2.5, "2"),
    "max_disk_mb": (4097, "4096"),
    "max_execution_time": (601, "600"),
}


@pytest.mark.parametrize("limit", CEILINGS)
def test_a_sandbox_above_a_ceiling_is_refused_and_the_ceiling_named(tenant, limit):
    asked, ceiling = CEILINGS[limit]
    result = with_limits(tenant, "print(1)", **{limit: asked})
    assert result["success"] is False and result["exit_code"] is None, result
    assert limit in result["error"] and ceiling in result["error"], result
    name = result["sandbox_id"]
    assert not tenant.admin.list("pods", tenant.namespace, f"sandgate.dev/sandbox={name}")
    destroy(tenant, name)


def test_output_above_the_ceiling_is_refused_before_anything_is_made(tenant):
    answer = tenant.gateway().tool("code_execute", {
        "language": "python", "code": "print(1)", "limits": {"max_output_bytes": 10485761}})
    assert answer.code == 422 and "10485760" in answer.error["message"], answer
    assert answer.error["field"] == "limits.max_output_bytes", answer


def test_a_timeout_above_the_ceiling_is_refused_and_the_ceiling_named(tenant, python_box):
    result = tenant.gateway().execute("print(1)", sandbox_id=python_box.name, timeout=601)
    assert result["success"] is False and result["exit_code"] is None, result
    assert "600" in result["error"] and "max_execution_time" in result["error"], result
    most = tenant.gateway().execute("print(1)", sandbox_id=python_box.name, timeout=600)
    assert most["success"], most


def test_the_ceilings_themselves_are_allowed(tenant):
    box = tenant.new_box("shell", ready=False, resources={"memory": "2Gi", "disk": "4Gi", "cpu": "2"},
                         limits={"timeoutSeconds": 600, "outputBytes": 10485760})
    effective = until(lambda: box.fetch().get("status", {}).get("effective"), "its limits")
    assert effective["timeoutSeconds"] == 600 and effective["outputBytes"] == 10485760, effective
    box.delete()
