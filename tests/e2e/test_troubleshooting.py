"""The commands of docs/troubleshooting.md that only look are commands that work."""

import pathlib
import re

import pytest

from harness.cluster import ROOT

PAGE = pathlib.Path(ROOT / "docs/troubleshooting.md").read_text()
LOOKS = ("kubectl get ", "kubectl describe ", "kubectl logs ", "kubectl auth ")


def commands():
    """What a line shows, comments and pipes left out; a backslash at the end goes on."""
    lines = re.sub(r"\\\n\s+", "", PAGE).splitlines()
    shown = (line[4:] for line in lines if line.startswith("    "))
    looks = (line.split("  #")[0].split(" | ")[0].split(" > ")[0].strip() for line in shown)
    return sorted({line for line in looks if line.startswith(LOOKS)})


@pytest.fixture(scope="module")
def places(tenant):
    box = tenant.box("python")
    run = box.run("print(1)")
    return {"NS": tenant.namespace, "BOX": box.name, "NAME": run.name, "ALICE": "alice",
            "APPROVERS": "sandgate-approvers"}


@pytest.mark.parametrize("command", commands())
def test_a_command_that_looks_works(cluster, places, command):
    for word, value in places.items():
        command = re.sub(rf"\b{word}\b", value, command)
    done = cluster.run("bash", "-c", command, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout[-500:]}{done.stderr[-500:]}"
    if "can-i" in command:
        assert re.search(r"^risklevels\.sandgate\.dev .*approve", done.stdout, re.M), done.stdout


def test_there_are_commands_and_every_error_of_the_guide_has_its_place():
    assert len(commands()) >= 20
    for said in ("Docker manager not started", "Sandbox not found", "Execution timeout",
                 "Network access required for package installation", "gVisor installation issues"):
        assert re.search(rf'^### .*{said}', PAGE, re.M), said
