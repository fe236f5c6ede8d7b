"""The operator's audit log on the real cluster: what it says, that it is intact, that nothing
happens without it."""

import json
import os
import pathlib
import re
import signal
import subprocess

import pytest

from harness.cluster import ROOT, SYSTEM
from harness.tenant import condition, unique
from harness.wait import until

PROGRAM = pathlib.Path(os.environ.get("SANDGATE_BIN", ROOT / "build/release/bin"),
                       "sandgate-operator")
DIRECTORY = "/var/log/sandgate"


def parsed(line):
    try:
        return json.loads(line)
    except ValueError:
        return None


def records(lines):
    """Whole ones: what a full disk left of a line stays in the file, and `verify` finds it there
    where no record reports it."""
    found = [record for line in lines if '"log":"audit"' in line and (record := parsed(line))]
    assert found, "no audit line at all"
    return found


def about(lines, run):
    uid = run.last["metadata"]["uid"]
    return [record for record in records(lines) if record.get("executionUid") == uid]


def events(lines, run):
    return [record["event"] for record in about(lines, run)]


def verify(cluster, path, *options):
    return cluster.run(str(PROGRAM.resolve()), "audit", "verify", str(path), *options, check=False)


def verify_by_hand(directory):
    """audit.log in there, by what the reference says to do without the program."""
    page = (ROOT / "docs/reference/audit.md").read_text()
    (script,) = re.findall(r"```bash\n(.*?)```", page, re.DOTALL)
    return subprocess.run(["bash", "-c", script], cwd=directory, capture_output=True, text=True,
                          check=False, timeout=120)


def operator_lines(cluster):
    return cluster.logs("operator")


def test_an_approved_call_leaves_its_whole_story(cluster, tenant, python_box):
    marker = unique("auditmarker")
    run = python_box.run(f"print('{marker}')")
    assert run.phase == "Succeeded"
    expected = ["execution.request", "execution.judgement", "approval.decision",
                "execution.admission", "execution.start", "execution.end"]
    until(lambda: events(operator_lines(cluster), run) == expected, f"{expected} in the log")
    lines = operator_lines(cluster)
    request, judgement, decision, admission, start, end = about(lines, run)
    for record in (request, judgement, decision, admission, start, end):
        assert record["namespace"] == tenant.namespace
        assert record["execution"] == run.name and record["sandbox"] == python_box.name
        assert record["requester"] == run.last["spec"]["requester"]["username"]
    assert request["operation"] == "Execute" and request["codeBytes"] > len(marker)
    assert judgement["risk"] == "HIGH" and judgement["asksHuman"] is True
    approval = tenant.admin.get("approvals", tenant.namespace, run.name)
    assert decision["decidedBy"] == approval["spec"]["decision"]["decidedBy"]
    assert decision["verdict"] == decision["phase"] == "Approved"
    assert admission["by"] == "Approval" and admission["decidedBy"] == decision["decidedBy"]
    status = run.last["status"]
    hashes = {record["specHash"] for record in (judgement, decision, admission, start, end)}
    assert hashes == {approval["spec"]["request"]["specHash"]}
    assert start["runId"] == end["runId"] == status["claim"]["runId"]
    assert (end["phase"], end["exitCode"]) == ("Succeeded", 0)
    assert end["stdoutBytes"] == len(status["stdout"])
    assert marker not in "".join(lines)


def test_denied_and_refused_calls_leave_theirs(cluster, tenant, python_box):
    with tenant.approver.denying():
        denied = python_box.run("print(2)")
    assert denied.phase == "Denied"
    until(lambda: events(operator_lines(cluster), denied)[-2:]
          == ["approval.decision", "execution.end"], "the denial is in the log")
    refused = python_box.run("print(3)", timeout=601)
    assert refused.phase == "Failed"
    until(lambda: events(operator_lines(cluster), refused)[-1:] == ["execution.refused"],
          "the refusal is in the log")
    assert about(operator_lines(cluster), refused)[-1]["error"] == "InvalidTimeout"


def test_the_pods_log_is_intact_and_a_change_is_found(cluster, python_box, tmp_path):
    python_box.run("print(1)")
    lines = operator_lines(cluster)
    log = tmp_path / "pod.log"
    log.write_text("\n".join(lines) + "\n")
    good = verify(cluster, log, "--mixed")
    assert good.returncode == 0, good
    count = int(re.search(r"intact: (\d+) records", good.stdout).group(1))
    assert count == len(records(lines))
    at = [n for n, line in enumerate(lines) if '"execution.judgement"' in line][-1]
    edited = lines[:at] + [lines[at].replace("HIGH", "LOW")] + lines[at + 1:]
    before = [n for n, line in enumerate(lines[:at]) if '"log":"audit"' in line][-1]
    swapped = list(lines)
    swapped[before], swapped[at] = lines[at], lines[before]
    for changed, fault in ((edited, "edited"), (lines[:at] + lines[at + 1:], "dropped"),
                           (swapped, "reordered"), (lines[:at] + lines[at:at + 1] + lines[at:],
                                                    "duplicated")):
        log.write_text("\n".join(changed) + "\n")
        bad = verify(cluster, log, "--mixed")
        assert bad.returncode == 1 and f": {fault}: " in bad.stderr, bad


def test_what_the_gateway_refuses_is_a_line_of_its_log(cluster, tenant):
    """Nothing reached the operator, so it is no record of the chain."""
    marker = unique("secretcode")
    gateway = tenant.gateway()
    wrong = gateway.tool("code_execute", {"language": "cobol", "code": marker})
    assert wrong.code == 422, wrong
    gateway.headers["Authorization"] = "Bearer " + marker
    assert gateway.tool("code_execute", {"code": "print(1)"}).code == 401

    def said(code, error, user):
        lines = [json.loads(line) for line in cluster.logs("gateway")]
        return [line for line in lines if line["msg"] == "call" and line["code"] == code
                and line["error"] == error and user in line["user"]
                and line["route"] == "code_execute"]
    until(lambda: said("422", wrong.error["code"], f"system:serviceaccount:{tenant.namespace}:"),
          "the refusal is logged with user and code")
    until(lambda: said("401", "Unauthorized", ""), "so is a caller whom nobody knows")
    assert marker not in "".join(cluster.logs("gateway"))


class AuditedOperator:
    """The operator with an audit file on a volume of its own, small enough to be filled."""

    def __init__(self, cluster):
        self.cluster = cluster

    def patch(self, patch):
        self.cluster.kubectl("-n", SYSTEM, "patch", "deployment", "sandgate-operator", "--type=json",
                             "-p", json.dumps(patch))
        self.cluster.kubectl("-n", SYSTEM, "rollout", "status", "deployment/sandgate-operator",
                             "--timeout=180s")
        until(lambda: len(self.cluster.pods("operator")) == 1, "the old operator is gone", 120)

    def __enter__(self):
        pod = "/spec/template/spec"
        self.patch([
            {"op": "add", "path": f"{pod}/volumes/-",
             "value": {"name": "audit", "emptyDir": {"medium": "Memory", "sizeLimit": "256Ki"}}},
            {"op": "add", "path": f"{pod}/containers/0/volumeMounts/-",
             "value": {"name": "audit", "mountPath": DIRECTORY}},
            {"op": "add", "path": f"{pod}/containers/0/args/-",
             "value": f"--audit-file={DIRECTORY}/audit.log"}])
        return self

    def __exit__(self, *_):
        self.cluster.kubectl("-n", SYSTEM, "rollout", "undo", "deployment/sandgate-operator")
        self.cluster.kubectl("-n", SYSTEM, "rollout", "status", "deployment/sandgate-operator",
                             "--timeout=180s")

    def process(self):
        return until(lambda: self.cluster.processes(self.cluster.ready_pod("operator"),
                                                    "sandgate-operator"), "it runs")[0]

    def directory(self):
        return pathlib.Path(f"/proc/{self.process()}/root{DIRECTORY}")

    def lines(self):
        """Those with an end: the last one may be on its way into the file."""
        return (self.directory() / "audit.log").read_text().split("\n")[:-1]

    def metric(self, name):
        _, text = self.cluster.fetch(self.cluster.ready_pod("operator"), "/metrics")
        return float(re.search(rf"^{name} (\S+)$", text, re.MULTILINE).group(1))


@pytest.fixture(scope="module")
def audited(cluster):
    with AuditedOperator(cluster) as operator:
        yield operator


def test_the_file_goes_on_after_a_kill_and_stays_intact(cluster, audited, python_box, tmp_path):
    assert python_box.run("print(1)").phase == "Succeeded"
    killed = audited.process()
    os.kill(killed, signal.SIGKILL)
    until(lambda: audited.process() != killed, "the container is started again", 120)
    run = python_box.run("print(2)")
    assert run.phase == "Succeeded"
    until(lambda: events(audited.lines(), run)[-1:] == ["execution.end"], "it is in the file")
    lines = audited.lines()
    chains = {record["chain"] for record in records(lines)}
    assert len(chains) == 1 and '"chain.resume"' in "".join(lines)
    copy = tmp_path / "audit.log"
    copy.write_text("\n".join(lines) + "\n")
    assert verify(cluster, copy).returncode == 0, verify(cluster, copy)
    assert (audited.directory() / "audit.log").stat().st_mode & 0o777 == 0o600
    assert verify_by_hand(tmp_path).returncode == 0, verify_by_hand(tmp_path)
    copy.write_text("\n".join(lines[:5] + lines[6:]) + "\n")
    assert verify(cluster, copy).returncode == 1
    assert verify_by_hand(tmp_path).returncode == 1


def test_nothing_is_admitted_while_the_file_cannot_be_written(cluster, audited, python_box,
                                                               tmp_path):
    assert audited.metric("sandgate_audit_healthy") == 1
    filler = audited.directory() / "filler"
    with open(filler, "wb", buffering=0) as file:
        with pytest.raises(OSError, match="No space left"):
            while True:
                file.write(b"x" * 4096)
    # The rest of the last page of the log itself.
    held = None
    for _ in range(16):
        run = python_box.start("print('unseen')")
        until(lambda run=run: run.fetch().get("status", {}).get("conditions"), "it is looked at")
        if condition(run.last, "Admitted")["reason"] == "AuditUnavailable":
            held = run
            break
        run.finish()
    assert held, "every record found room"
    assert held.fetch()["status"].get("admission") is None
    assert audited.metric("sandgate_audit_healthy") == 0
    assert audited.metric("sandgate_audit_failures_total") > 0
    filler.unlink()
    assert held.finish().phase == "Succeeded"
    until(lambda: audited.metric("sandgate_audit_healthy") == 1, "it mends itself")
    until(lambda: events(audited.lines(), held)[-1:] == ["execution.end"], "it is in the file")
    copy = tmp_path / "audit.log"
    copy.write_text("\n".join(audited.lines()) + "\n")
    assert verify(cluster, copy).returncode == 0, verify(cluster, copy)
