"""The three schemas on a real API server: what is stored, what never changes, and what people see."""

import itertools
import json

import pytest

from conftest import TENANT
from kubeapi import (
    APPLY,
    JSON_PATCH,
    RUN,
    approval,
    execution,
    kubectl,
    only,
    path,
    sandbox,
    unique,
    wait_for,
    with_run,
)

KINDS = ("sandboxes", "executions", "approvals")
FINAL = ("Succeeded", "Failed", "TimedOut", "Denied", "Expired", "Cancelled", "Lost")

# --- what is stored is what was written ---------------------------------------------------------


def test_the_server_adds_no_default(cluster):
    written = {
        "sandboxes": [
            {"language": "python"},
            {"language": "python", "resources": {}, "network": {}, "limits": {}, "lifecycle": {}},
            {"image": "registry.example/a/b:1@sha256:" + "0" * 64},
        ],
        "executions": [
            RUN,
            with_run(network={}),
            only("ListFiles", listFiles={}),
            only("InstallPackage", installPackage={"package": "a"}),
            only("WriteFile", writeFile={"path": "a", "content": ""}),
            only("WriteFile", writeFile={"path": "a", "contentBase64": "AP8="}),
            only("WriteFile", writeFile={"path": "a", "content": "", "append": False}),
            only("WriteFile", writeFile={"path": "a", "content": "", "mode": "0755"}),
            only("ReadFile", readFile={"path": "a", "encoding": "base64"}),
            only("ListFiles", listFiles={"path": "a", "limit": 4096, "cursor": "YS1fYg"}),
        ],
    }
    for kind, specs in written.items():
        for spec in specs:
            body = sandbox(TENANT) if kind == "sandboxes" else execution(TENANT)
            body["spec"] = spec
            stored = cluster.create(path(kind, TENANT), body).must()
            assert stored["spec"].pop("requester") == {"username": "admin"}
            assert stored["spec"] == spec
            assert "status" not in stored


def test_no_schema_has_a_default_and_every_field_is_described(cluster):
    def walk(node, where):
        assert "default" not in node, where
        for name, child in node.get("properties", {}).items():
            if where + [name] != ["metadata"]:
                assert len(child.get("description", "")) > 5, where + [name]
            walk(child, where + [name])
        if "items" in node:
            walk(node["items"], where + ["[]"])

    for kind in KINDS:
        crd = cluster.get(
            f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{kind}.sandgate.dev"
        ).must()
        [version] = crd["spec"]["versions"]
        assert "scale" not in version["subresources"]
        assert crd["spec"]["conversion"] == {"strategy": "None"}
        walk(version["schema"]["openAPIV3Schema"], [])


def test_status_is_dropped_at_creation(cluster):
    for kind, body in (("sandboxes", sandbox(TENANT)), ("executions", execution(TENANT))):
        body["status"] = {"phase": "Ready" if kind == "sandboxes" else "Succeeded"}
        assert "status" not in cluster.create(path(kind, TENANT), body).must()


@pytest.mark.parametrize(
    "kind,name,fits",
    [
        ("sandboxes", "a" * 52, True),
        ("sandboxes", "a" * 53, False),
        ("sandboxes", "a.b", False),
        ("sandboxes", "0a", True),
        ("executions", "a" * 63, True),
        ("executions", "a" * 64, False),
        ("executions", "a.b", False),
    ],
)
def test_names_are_labels(cluster, kind, name, fits):
    body = sandbox(TENANT, name) if kind == "sandboxes" else execution(TENANT, name)
    answer = cluster.create(path(kind, TENANT), body, dryRun="All")
    assert answer.ok if fits else answer.refused("metadata.name")


def test_a_generated_name_is_checked_too(cluster):
    body = sandbox(TENANT)
    body["metadata"] = {"namespace": TENANT, "generateName": "a" * 50}
    cluster.create(path("sandboxes", TENANT), body, dryRun="All").refused("metadata.name")
    body["metadata"]["generateName"] = "agent-"
    assert (
        cluster.create(path("sandboxes", TENANT), body, dryRun="All")
        .must()["metadata"]["name"]
        .startswith("agent-")
    )


# --- what was asked for never changes -----------------------------------------------------------

FULL_SANDBOX = {
    "language": "python",
    "shared": False,
    "resources": {"memory": "512Mi", "cpu": "500m", "disk": "1Gi"},
    "network": {"enabled": True, "allowedDomains": ["a.example", "b.example"]},
    "limits": {"timeoutSeconds": 30, "outputBytes": 1000},
    "lifecycle": {"idleTimeoutSeconds": 5, "ttlSeconds": 50},
}
SANDBOX_EDITS = [
    {"language": "shell"},
    {"language": None, "image": "a:1"},
    {"shared": True},
    {"shared": None},
    {"resources": {"memory": "1Gi"}},
    {"resources": None},
    {"network": {"enabled": False, "allowedDomains": None}},
    {"network": {"allowedDomains": ["a.example"]}},
    {"network": {"allowedDomains": ["b.example", "a.example"]}},
    {"limits": {"timeoutSeconds": 600}},
    {"lifecycle": {"ttlSeconds": 0}},
    {"requester": {"username": "alice"}},
    {"requester": {"uid": "1"}},
    {"requester": None},
]


@pytest.mark.parametrize("edit", SANDBOX_EDITS, ids=json.dumps)
def test_a_sandbox_never_changes(cluster, edit):
    made = cluster.create(path("sandboxes", TENANT), sandbox(TENANT, **FULL_SANDBOX)).must()
    url = path("sandboxes", TENANT, made["metadata"]["name"])
    cluster.patch(url, {"spec": edit}).refused("spec")
    assert cluster.get(url).must()["spec"] == made["spec"]


FULL_EXECUTION = with_run(
    timeoutSeconds=5, network={"enabled": True, "allowedDomains": ["a.example", "b.example"]}
)
EXECUTION_EDITS = [
    {"sandboxName": "two"},
    {"execute": {"code": "2"}},
    {"execute": {"code": "1 "}},
    {"execute": {"language": "shell"}},
    {"operation": "ReadFile", "execute": None, "readFile": {"path": "a"}},
    {"timeoutSeconds": 6},
    {"timeoutSeconds": None},
    {"network": None},
    {"network": {"enabled": False, "allowedDomains": None}},
    {"network": {"allowedDomains": ["a.example", "b.example", "c.example"]}},
    {"network": {"allowedDomains": ["b.example", "a.example"]}},
    {"requester": {"username": "alice"}},
    {"requester": {"uid": "x"}},
    {"requester": None},
    {"cancel": True, "timeoutSeconds": 9},
]


@pytest.mark.parametrize("edit", EXECUTION_EDITS, ids=json.dumps)
def test_an_execution_never_changes(cluster, edit):
    made = cluster.create(path("executions", TENANT), execution(TENANT, **FULL_EXECUTION)).must()
    url = path("executions", TENANT, made["metadata"]["name"])
    cluster.patch(url, {"spec": edit}).refused("spec")
    whole = {**made, "spec": {**made["spec"], **{k: v for k, v in edit.items() if v is not None}}}
    for key in (k for k, v in edit.items() if v is None):
        whole["spec"].pop(key, None)
    if not isinstance(edit.get("execute"), dict) or "language" in whole["spec"]["execute"]:
        cluster.replace(url, whole).refused()
    assert cluster.get(url).must()["spec"] == made["spec"]


@pytest.mark.parametrize(
    "spec,edit",
    [
        (RUN, {"timeoutSeconds": 9}),
        (RUN, {"network": {}}),
        (RUN, {"network": {"enabled": True}}),
        (
            only("InstallPackage", installPackage={"package": "a"}),
            {"installPackage": {"registry": "npm"}},
        ),
        (
            only("WriteFile", writeFile={"path": "a", "content": "x"}),
            {"writeFile": {"content": None, "contentBase64": "eA=="}},
        ),
        (only("ReadFile", readFile={"path": "a"}), {"readFile": {"path": "b"}}),
        (only("ListFiles", listFiles={}), {"listFiles": {"path": ".."}}),
        (only("ListFiles", listFiles={}), {"listFiles": {"limit": 1}}),
        (only("ListFiles", listFiles={}), {"listFiles": {"cursor": "YQ"}}),
        (only("ReadFile", readFile={"path": "a"}), {"readFile": {"encoding": "base64"}}),
        (
            only("WriteFile", writeFile={"path": "a", "content": "x"}),
            {"writeFile": {"append": True}},
        ),
        (
            only("WriteFile", writeFile={"path": "a", "content": "x", "mode": "0644"}),
            {"writeFile": {"mode": "0755"}},
        ),
    ],
    ids=str,
)
def test_nothing_is_added_to_an_execution_later(cluster, spec, edit):
    made = cluster.create(path("executions", TENANT), execution(TENANT, **spec)).must()
    url = path("executions", TENANT, made["metadata"]["name"])
    cluster.patch(url, {"spec": edit}).refused("immutable but for cancel")
    assert cluster.get(url).must()["spec"] == made["spec"]


def test_another_field_manager_changes_nothing(cluster):
    """Server-side apply with force, by somebody else: the same rules."""
    name = unique("ssa")
    cluster.apply(path("executions", TENANT, name), execution(TENANT, name)).must()
    body = execution(TENANT, name, **with_run(execute={"language": "python", "code": "evil()"}))
    answer = cluster.patch(
        path("executions", TENANT, name), body, APPLY, fieldManager="other", force="true"
    )
    answer.refused("immutable but for cancel")
    again = execution(TENANT, name)
    cluster.apply(
        path("executions", TENANT, name), again
    ).must()  # the same YAML again is no change
    stored = cluster.get(path("executions", TENANT, name)).must()
    assert stored["metadata"]["generation"] == 1 and stored["spec"]["execute"]["code"] == "print(1)"


def test_cancel_goes_one_way(cluster):
    name = cluster.create(
        path("executions", TENANT), execution(TENANT, **with_run(cancel=False))
    ).must()["metadata"]["name"]
    url = path("executions", TENANT, name)
    cluster.patch(url, {"spec": {"cancel": None}}).must()
    cluster.patch(url, {"spec": {"cancel": True}}).must()
    cluster.patch(url, {"spec": {"cancel": False}}).refused("a cancel is not taken back")
    cluster.patch(url, {"spec": {"cancel": None}}).refused("a cancel is not taken back")
    cluster.patch(url, [{"op": "remove", "path": "/spec/cancel"}], JSON_PATCH).refused(
        "a cancel is not taken back"
    )


# --- the operator itself cannot write nonsense --------------------------------------------------

ADMISSION = {"specHash": "a" * 64, "policyRevision": "r1", "by": "Auto"}
CLAIM = {"runId": "run-1", "podUID": "pod-1", "runnerBootID": "boot-1"}


def new_execution(admin, operator, **status):
    name = admin.create(path("executions", TENANT), execution(TENANT)).must()["metadata"]["name"]
    url = path("executions", TENANT, name)
    operator.patch(url + "/status", {"status": status}).must()
    return url


@pytest.mark.parametrize("phase", FINAL)
def test_a_final_phase_never_changes(cluster, operator, phase):
    url = new_execution(cluster, operator, phase=phase, stdout="kept")
    for status in [
        {"phase": other} for other in ("Pending", "Running", "Admitted", *FINAL) if other != phase
    ] + [{"phase": None}, None]:
        operator.patch(url + "/status", {"status": status}).refused(
            "a terminal phase never changes"
        )
    operator.patch(url + "/status", [{"op": "remove", "path": "/status"}], JSON_PATCH).refused(
        "a terminal phase never changes"
    )
    operator.patch(
        url + "/status", [{"op": "replace", "path": "/status", "value": {}}], JSON_PATCH
    ).refused("a terminal phase never changes")
    whole = cluster.get(url).must()
    del whole["status"]
    operator.replace(url + "/status", whole).refused("a terminal phase never changes")
    # the main resource leaves the status alone
    cluster.patch(url, {"status": {"phase": "Running"}}).must()
    cluster.patch(url, {"status": None}).must()
    stored = cluster.get(url).must()["status"]
    assert stored["phase"] == phase and stored["stdout"] == "kept"


@pytest.mark.parametrize(
    "member,value,other",
    [
        ("claim", CLAIM, {"runId": "run-2"}),
        ("claim", CLAIM, {"podUID": "pod-2"}),
        ("claim", CLAIM, {"runnerBootID": "boot-2"}),
        ("claim", CLAIM, None),
        ("admission", ADMISSION, {"specHash": "b" * 64}),
        ("admission", ADMISSION, {"by": "Approval"}),
        ("admission", ADMISSION, {"domains": ["more.example"]}),
        ("admission", {**ADMISSION, "domains": ["a.example"]}, {"domains": ["b.example"]}),
        ("admission", ADMISSION, None),
        ("approvalUID", "u-1", "u-2"),
        ("approvalUID", "u-1", None),
    ],
    ids=str,
)
def test_what_decides_a_run_is_set_once(cluster, operator, member, value, other):
    status = {"phase": "Running", "admission": ADMISSION, member: value}
    url = new_execution(cluster, operator, **status)
    operator.patch(url + "/status", {"status": {member: other}}).refused(
        f"status.{member} is set once"
    )
    operator.patch(url + "/status", {"status": None}).refused("is set once")
    operator.patch(url + "/status", {"status": {"phase": "Succeeded", member: value}}).must()


def test_no_claim_without_an_admission_and_none_in_parts(cluster, operator):
    url = new_execution(cluster, operator, phase="Pending")
    operator.patch(url + "/status", {"status": {"claim": CLAIM}}).refused(
        "status.claim needs status.admission"
    )
    operator.patch(
        url + "/status", {"status": {"admission": ADMISSION, "claim": {"runId": "run-1"}}}
    ).refused("status.claim.podUID")
    operator.patch(url + "/status", {"status": {"admission": {"by": "Auto"}}}).refused(
        "status.admission.specHash"
    )
    operator.patch(url + "/status", {"status": {"admission": ADMISSION, "claim": CLAIM}}).must()


def test_two_claims_at_once_give_one(cluster, operator):
    url = new_execution(cluster, operator, phase="Admitted", admission=ADMISSION)
    version = cluster.get(url).must()["metadata"]["resourceVersion"]
    first = {"metadata": {"resourceVersion": version}, "status": {"claim": CLAIM}}
    second = {
        "metadata": {"resourceVersion": version},
        "status": {"claim": {**CLAIM, "runId": "run-2"}},
    }
    operator.patch(url + "/status", first).must()
    assert operator.patch(url + "/status", second).code == 409


def test_a_result_fits(cluster, operator):
    url = new_execution(cluster, operator, phase="Running", admission=ADMISSION, claim=CLAIM)
    status = {
        "phase": "Failed",
        "exitCode": -1,
        "executionTimeMillis": 3001,
        "stdout": "\ufffd" * 32768,
        "stderr": "<" * 32768,
        "stdoutTruncated": True,
        "stderrTruncated": False,
        "stdoutReplaced": True,
        "stderrReplaced": False,
        "startTime": "2026-01-01T00:00:00Z",
        "completionTime": "2026-01-01T00:00:03Z",
        "stdoutRef": {"configMaps": ["a", "b"], "sha256": "c" * 64, "bytes": 1048576},
        "files": [{"name": "a.txt", "type": "file", "size": 3, "mtime": "2026-01-01T00:00:00Z"}],
        "error": {"code": "TimeoutError", "message": "ran for 3 s"},
        "approvalName": "x",
        "risk": {"level": "HIGH", "reasons": ["Any code execution"]},
        "conditions": [
            {
                "type": "Finished",
                "status": "True",
                "reason": "TimedOut",
                "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }
        ],
    }
    operator.patch(url + "/status", {"status": status}, fieldValidation="Strict").must()
    stored = cluster.get(url).must()["status"]
    assert {key: stored[key] for key in status} == status
    name = url.rsplit("/", 1)[1]
    code, output = kubectl(
        "wait",
        "--for=condition=Finished",
        f"executions.sandgate.dev/{name}",
        "-n",
        TENANT,
        "--timeout=10s",
    )
    assert code == 0, output


def test_a_sandbox_status_fits(cluster, operator):
    name = cluster.create(path("sandboxes", TENANT), sandbox(TENANT)).must()["metadata"]["name"]
    status = {
        "observedGeneration": 1,
        "phase": "Ready",
        "podName": "sgsb-x",
        "podUID": "u",
        "podIP": "10.0.0.1",
        "imageID": "i",
        "runs": 3,
        "runnerBootID": "b",
        "lastExecutionTime": "2026-01-01T00:00:00Z",
        "effective": {
            "memory": "512Mi",
            "cpu": "500m",
            "disk": "1Gi",
            "timeoutSeconds": 30,
            "outputBytes": 1048576,
            "image": "python:3.11-slim",
            "networkEnabled": False,
            "allowedDomains": [],
            "idleTimeoutSeconds": 1800,
            "ttlSeconds": 86400,
        },
        "conditions": [
            {
                "type": "Ready",
                "status": "True",
                "reason": "RunnerAnswers",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }
        ],
    }
    operator.patch(
        path("sandboxes", TENANT, name, "status"), {"status": status}, fieldValidation="Strict"
    ).must()
    assert cluster.get(path("sandboxes", TENANT, name)).must()["status"] == status


def test_an_approval_settles_once(cluster, operator):
    for phase in ("Denied", "Expired"):
        made = operator.create(path("approvals", TENANT), approval(TENANT, "alice")).must()
        url = path("approvals", TENANT, made["metadata"]["name"])
        operator.patch(url + "/status", {"status": {"phase": "Approved"}}).refused(
            "needs spec.decision.verdict Approved"
        )
        operator.patch(url + "/status", {"status": {"phase": "Pending"}}).must()
        operator.patch(
            url + "/status",
            {"status": {"phase": phase, "decidedAt": "2026-01-01T00:00:00Z", "message": "m"}},
        ).must()
        for status in ({"phase": "Pending"}, {"phase": "Approved"}, {"phase": None}, None):
            operator.patch(url + "/status", {"status": status}).refused(
                "a settled Approval never changes"
            )


@pytest.mark.parametrize(
    "change,word",
    [
        ({"risk": "high"}, "spec.request.risk"),
        ({"specHash": "xyz"}, "spec.request.specHash"),
        ({"requester": ""}, "spec.request.requester"),
        ({"expiresAt": "tomorrow"}, "spec.request.expiresAt"),
        ({"executionName": "other"}, "has the name of its Execution"),
        ({"sandboxUID": None}, "spec.request.sandboxUID"),
    ],
    ids=str,
)
def test_a_bad_request_for_approval_is_refused(operator, change, word):
    body = approval(TENANT, "alice")
    body["spec"]["request"].update(change)
    operator.create(path("approvals", TENANT), body).refused(word)


def test_an_approval_is_not_born_decided(operator):
    body = approval(TENANT, "alice")
    body["spec"]["decision"] = {"verdict": "Approved", "decidedBy": "bob"}
    operator.create(path("approvals", TENANT), body).refused("created without a decision")


# --- what people see ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind,columns",
    [
        ("sandboxes", ["Name", "Phase", "Language", "Age"]),
        ("executions", ["Name", "Operation", "Phase", "Risk", "Sandbox", "Exit", "Age"]),
        (
            "approvals",
            "Name Risk Phase Tool Sandbox Requester Changed By Expires Age".split(),
        ),
    ],
)
def test_columns(cluster, kind, columns):
    code, output = kubectl("get", f"{kind}.sandgate.dev", "-n", TENANT)
    assert code == 0
    assert output.splitlines()[0].split() == [column.upper() for column in columns]


@pytest.mark.parametrize(
    "short,kind", [("sgsb", "sandbox"), ("sgex", "execution"), ("sgap", "approval")]
)
def test_short_names(cluster, short, kind):
    code, output = kubectl("get", short, "-n", TENANT, "-o", "name")
    assert code == 0 and all(
        line.startswith(f"{kind}.sandgate.dev/") for line in output.splitlines()
    )


@pytest.mark.parametrize(
    "field,words",
    [
        ("sandboxes.sandgate.dev", "temporary workspace"),
        ("sandboxes.sandgate.dev.spec", "most that code in it may ever be granted"),
        ("executions.sandgate.dev.spec.execute.code", "262144"),
        ("executions.sandgate.dev.status.phase", "Expired"),
        ("approvals.sandgate.dev.spec.decision", "somebody else than the requester"),
    ],
)
def test_explain_teaches(cluster, field, words):
    text = wait_for(lambda: explained(field), f"kubectl explain {field}")
    assert words in " ".join(text.split())


def explained(field):
    code, output = kubectl("explain", field)
    return output if code == 0 else None


def test_fields_select(cluster, operator):
    done = new_execution(cluster, operator, phase="Succeeded").rsplit("/", 1)[1]
    active = new_execution(cluster, operator, phase="Running").rsplit("/", 1)[1]
    fresh = cluster.create(path("executions", TENANT), execution(TENANT)).must()["metadata"]["name"]
    selector = ",".join(f"status.phase!={phase}" for phase in FINAL)
    names = [
        item["metadata"]["name"]
        for item in cluster.get(path("executions", TENANT), fieldSelector=selector).must()["items"]
    ]
    assert active in names and fresh in names and done not in names
    names = [
        item["metadata"]["name"]
        for item in cluster.get(
            path("executions", TENANT), fieldSelector="spec.sandboxName=one"
        ).must()["items"]
    ]
    assert active in names


def test_there_is_no_scale_and_no_other_version(cluster):
    name = cluster.create(path("executions", TENANT), execution(TENANT)).must()["metadata"]["name"]
    assert cluster.get(path("executions", TENANT, name, "scale")).code == 404
    assert cluster.get(f"/apis/sandgate.dev/v1/namespaces/{TENANT}/executions").code == 404
    body = execution(TENANT)
    body["apiVersion"] = "sandgate.dev/v2"
    cluster.create(path("executions", TENANT), body).refused("sandgate.dev/v2")


def test_a_quota_counts_executions(cluster):
    namespace = unique("quota")
    cluster.create("/api/v1/namespaces", {"metadata": {"name": namespace}}).must()
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "q"},
        "spec": {"hard": {"count/executions.sandgate.dev": "1"}},
    }
    url = f"/api/v1/namespaces/{namespace}/resourcequotas"
    cluster.create(url, quota).must()
    turn = itertools.count(2)

    def counted():
        # The controller learns of a new CRD every 30 s, and then looks at a quota only when it changes.
        cluster.patch(url + "/q", {"spec": {"hard": {"count/pods": str(next(turn))}}}).must()
        return "count/executions.sandgate.dev" in cluster.get(url + "/q").must().get(
            "status", {}
        ).get("used", {})

    wait_for(counted, "the quota is counted")
    cluster.create(path("executions", namespace), execution(namespace)).must()
    cluster.create(path("executions", namespace), execution(namespace)).refused("exceeded quota")
