"""Programs that try to get out of a run, look into the runner or leave something behind: the table
of attacks/attacks.json, each scenario in a sandbox of its own, one step after the other."""

import json
import pathlib

import pytest

HERE = pathlib.Path(__file__).resolve().parent / "attacks"
TABLE = json.loads((HERE / "attacks.json").read_text())


def outcome(run):
    if run.phase == "TimedOut":
        return "TimedOut"
    if run.phase == "Failed" and run.error == "MemoryLimitExceeded":
        return "MemoryExceeded"
    return "Exited" if run.phase in ("Succeeded", "Failed") and not run.error else run.phase


@pytest.mark.parametrize("scenario", TABLE, ids=lambda scenario: scenario["name"])
def test_attack(tenant, scenario):
    box = tenant.new_box(scenario["language"])
    pod = box.fetch()["status"]["podUID"]
    for step in scenario["steps"]:
        code = "".join((HERE / name).read_text() + "\n" for name in step["files"])
        run = box.run(code, timeout=step["timeoutSeconds"])
        broken = [line for line in run.stdout.splitlines() if line.startswith("BROKEN")]
        assert not broken, "\n".join(broken)
        assert outcome(run) in step["outcomes"], run
        if "exitCode" in step:
            assert run.exit_code == step["exitCode"], run
        said = run.stdout + run.stderr + run.status.get("error", {}).get("message", "")
        assert step.get("says", "") in said, run
    assert box.fetch()["status"]["podUID"] == pod, "the sandbox is another one"
    box.delete()


def test_every_program_of_the_folder_is_in_the_table():
    named = {name for scenario in TABLE for step in scenario["steps"] for name in step["files"]}
    there = {path.name for path in HERE.iterdir() if path.suffix in (".py", ".js", ".sh")}
    assert named == there
