"""A human who decides: user alice's token, and the patch that kubectl would send."""

import contextlib
import threading

from .kube import ApiError
from .wait import Transient

WATCH_SECONDS = 20
REFUSALS_IN_A_ROW = 20  # an API server that starts knows no roles for a moment


def decide(user, namespace, name, verdict, reason=None):
    decision = {"verdict": verdict}
    if reason:
        decision["reason"] = reason
    return user.patch("approvals", namespace, name, {"spec": {"decision": decision}})


class Approver:
    """Watches the Approvals of one namespace and answers each as `answer(approval)` says:
    "Approved", "Denied", or None to stay silent."""

    def __init__(self, user, namespace):
        self.user, self.namespace = user, namespace
        self.answer = lambda approval: "Approved"
        self.seen = {}  # name -> the Approval when it was first seen Pending
        self.problems = []
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        """It ends by itself with its watch; nobody waits for that."""
        self.stopping.set()

    @contextlib.contextmanager
    def answering(self, answer):
        """For the time of a `with`: a verdict for all, or a function of the Approval."""
        before = self.answer
        self.answer = answer if callable(answer) else lambda approval: answer
        try:
            yield self
        finally:
            self.answer = before

    def silent(self):
        return self.answering(None)

    def denying(self):
        return self.answering("Denied")

    def _run(self):
        refused = 0
        while not self.stopping.is_set():
            try:
                self._watch_once()
                refused = 0
            except Transient:
                self.stopping.wait(0.2)  # the API server restarts
            except ApiError as problem:
                refused += problem.code == 403
                # At the end the namespace goes, and its rights with it.
                passing = problem.code == 403 and refused < REFUSALS_IN_A_ROW
                if not passing and not self.stopping.is_set():
                    self.problems.append(problem)
                self.stopping.wait(0.5)

    def _watch_once(self):
        listed = self.user.call(
            "GET", f"/apis/sandgate.dev/v1alpha1/namespaces/{self.namespace}/approvals")
        for approval in listed["items"]:
            self._consider(approval)
        version = listed["metadata"]["resourceVersion"]
        for kind, approval in self.user.watch("approvals", self.namespace, version, WATCH_SECONDS):
            if self.stopping.is_set():
                return
            if kind != "DELETED":
                self._consider(approval)

    def _consider(self, approval):
        name = approval["metadata"]["name"]
        pending = approval.get("status", {}).get("phase") == "Pending"
        if not pending or "decision" in approval["spec"] or name in self.seen:
            return
        self.seen[name] = approval
        verdict = self.answer(approval)
        if verdict is None:
            return
        try:
            decide(self.user, self.namespace, name, verdict)
        except Transient:
            del self.seen[name]
            raise
        except ApiError as problem:
            if problem.code == 403 and "decidedBy must be" in problem.message:
                del self.seen[name]  # a policy that was just put back does not stamp yet
                raise Transient from problem
            if problem.code not in (404, 409, 422):  # gone, or settled in between
                self.problems.append(problem)
