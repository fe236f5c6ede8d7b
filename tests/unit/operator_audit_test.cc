// What the audit log says of each step, and that nothing goes on while it says nothing.
#include <gtest/gtest.h>

#include "libs/base/ids.h"
#include "operator/audit_records.h"
#include "tests/unit/operator_fixture.h"

namespace sandgate::op {
namespace {

using api::Json;
using audit::Record;

const char kSecret[] = "topsecret";

Json Subject(const Moment& m) {
  return SubjectOf(m.execution, &m.sandbox, "hash");
}

TEST(AuditRecords, EveryOneSaysWhoWhatAndWhere) {
  const Moment m;
  api::Approval approval;
  const std::vector<Record> records = {
      RequestRecord(Subject(m), m.execution.spec),
      JudgementRecord(Subject(m), {}),
      DecisionRecord(Subject(m), approval, api::ApprovalPhase::kExpired, ""),
      AdmissionRecord(Subject(m), {}, nullptr),
      AdmissionFailedRecord(Subject(m), base::Status(base::Code::kConflict, "")),
      StartRecord(Subject(m), {}, {}),
      EndRecord(Subject(m), {}),
      GoneRecord(Subject(m))};
  for (const Record& record : records) {
    EXPECT_EQ(record.fields.at("namespace"), "agents") << record.event;
    EXPECT_EQ(record.fields.at("execution"), "run-1") << record.event;
    EXPECT_EQ(record.fields.at("executionUid"), "execution-uid") << record.event;
    EXPECT_EQ(record.fields.at("sandbox"), "box") << record.event;
    EXPECT_EQ(record.fields.at("sandboxUid"), "sandbox-uid") << record.event;
    EXPECT_EQ(record.fields.at("requester"), "agent") << record.event;
    EXPECT_TRUE(record.fields.contains("specHash")) << record.event;
    const bool durable = record.event == "execution.admission" || record.event == "execution.start";
    EXPECT_EQ(record.durable, durable) << record.event;
  }
}

TEST(AuditRecords, OfARunWithNetworkNameItsDomains) {
  Moment m;
  api::Approval approval;
  approval.request.summary.domains = {"a.example"};
  api::ExecutionStatus status;
  status.admission = api::Admission{"hash", "revision", "Approval", {"a.example"}};
  for (const Record& record :
       {DecisionRecord(Subject(m), approval, api::ApprovalPhase::kApproved, ""),
        AdmissionRecord(Subject(m), status, &approval),
        StartRecord(Subject(m), {}, {"a.example"})}) {
    EXPECT_EQ(record.fields.at("domains"), Json::array({"a.example"})) << record.event;
  }
  EXPECT_FALSE(StartRecord(Subject(m), {}, {}).fields.contains("domains"));
}

TEST(AuditRecords, ARequestSaysWhatIsAskedAndShowsNoneOfIt) {
  struct {
    api::Operation operation;
    Json says;
  } const rows[] = {
      {api::Operation::kExecute, {{"language", "python"}, {"codeBytes", 9}}},
      {api::Operation::kInstallPackage, {{"package", "numpy"}, {"registry", "pypi"}}},
      {api::Operation::kWriteFile, {{"path", "a/b.txt"}, {"contentBytes", 9}}},
      {api::Operation::kReadFile, {{"path", "a/b.txt"}}},
      {api::Operation::kListFiles, {{"path", "a/b.txt"}}},
  };
  for (const auto& row : rows) {
    Moment m;
    m.execution.spec.operation = row.operation;
    m.execution.spec.code = m.execution.spec.content = kSecret;
    m.execution.spec.package = "numpy";
    m.execution.spec.registry = "pypi";
    m.execution.spec.path = "a/b.txt";
    const Record record = RequestRecord(Subject(m), m.execution.spec);
    EXPECT_EQ(record.fields.at("operation"), api::OperationName(row.operation));
    for (const auto& [name, value] : row.says.items()) {
      EXPECT_EQ(record.fields.value(name, Json()), value) << record.fields;
    }
    EXPECT_EQ(record.fields.dump().find(kSecret), std::string::npos) << record.fields;
  }
}

TEST(AuditRecords, AJudgementShowsNoLineThatMatched) {
  const Record record = JudgementRecord(
      {}, {api::RiskLevel::kHigh, {std::string("HIGH: a rule (") + kSecret + ")"}, "rev", At(60)});
  EXPECT_EQ(record.fields.at("reasons"), Json::array({"HIGH: a rule"}));
  EXPECT_EQ(record.fields.at("risk"), "HIGH");
  EXPECT_EQ(record.fields.at("asksHuman"), true);
  EXPECT_EQ(record.fields.at("expiresAt"), "2030-01-01T00:01:00Z");
}

TEST(AuditRecords, ADecisionNamesWhoMadeItAndWhy) {
  Moment m;
  m.Ask();
  m.approval.decision = api::ApprovalDecision{api::Verdict::kDenied, "too risky", "alice"};
  const Record record =
      DecisionRecord(Subject(m), m.approval, api::ApprovalPhase::kDenied, "a message");
  EXPECT_EQ(record.fields.at("verdict"), "Denied");
  EXPECT_EQ(record.fields.at("decidedBy"), "alice");
  EXPECT_EQ(record.fields.at("reason"), "too risky");
  EXPECT_EQ(record.fields.at("phase"), "Denied");
  EXPECT_EQ(record.fields.at("approvalUid"), "approval-uid");
}

TEST(AuditRecords, AnEndShowsSizesAndHashesOfTheOutput) {
  Moment m;
  m.Claim();
  api::ExecutionStatus status = m.execution.status;
  status.phase = api::ExecutionPhase::kFailed;
  status.exit_code = 3;
  status.out = kSecret;
  status.err = "";
  status.stdout_ref = api::OutputRef{{"map"}, "sum", 100'000};
  status.error = api::ExecutionError{"Code", kSecret};
  const Record record = EndRecord(Subject(m), status);
  EXPECT_EQ(record.event, "execution.end");
  EXPECT_EQ(record.fields.at("exitCode"), 3);
  EXPECT_EQ(record.fields.at("error"), "Code");
  EXPECT_EQ(record.fields.at("stdoutBytes"), 100'000);
  EXPECT_EQ(record.fields.at("stdoutSha256"), "sum");
  EXPECT_EQ(record.fields.at("stderrBytes"), 0);
  EXPECT_EQ(record.fields.at("stderrSha256"), base::Sha256Hex(""));
  EXPECT_EQ(record.fields.dump().find(kSecret), std::string::npos);
  status.admission.reset();
  EXPECT_EQ(EndRecord(Subject(m), status).event, "execution.refused");
  status.phase = api::ExecutionPhase::kDenied;
  EXPECT_EQ(EndRecord(Subject(m), status).event, "execution.end");
}

TEST(AuditRecords, TheEndOfAnInstallShowsWhatItBrought) {
  Moment m;
  m.Claim();
  api::ExecutionStatus status = m.execution.status;
  status.phase = api::ExecutionPhase::kSucceeded;
  EXPECT_FALSE(EndRecord(Subject(m), status).fields.contains("packages"));
  status.packages = {{"requests", "2.31.0", "sha256:58cd"}, {"idna", "3.13", ""}};
  const Record record = EndRecord(Subject(m), status);
  EXPECT_EQ(record.fields.at("packages"),
            Json::array({"requests 2.31.0 sha256:58cd", "idna 3.13"}));
  EXPECT_EQ(record.fields.at("packagesCount"), 2);
}

TEST(AuditRecords, OnlyAnAnsweredRefusalIsKnownToHaveHadNoEffect) {
  using base::Code;
  for (const Code code : {Code::kConflict, Code::kNotFound, Code::kPermissionDenied}) {
    const Record record = AdmissionFailedRecord({}, base::Status(code, ""));
    EXPECT_EQ(record.fields.at("effect"), "none");
  }
  for (const Code code : {Code::kDeadlineExceeded, Code::kUnavailable, Code::kInternal}) {
    const Record record = AdmissionFailedRecord({}, base::Status(code, ""));
    EXPECT_EQ(record.fields.at("effect"), "unknown");
  }
}

// --- fail closed ---

Moment Unaudited(std::shared_ptr<const policy::Policy> policy) {
  Moment m;
  m.policy = std::move(policy);
  m.MakeReady();
  m.audit = base::Status(base::Code::kUnavailable, "disk full");
  return m;
}

TEST(AuditHold, NothingIsAdmittedWhileNoRecordGetsThrough) {
  const Moment m = Unaudited(AutoPolicy());
  const api::ExecutionStatus status = m.Status();
  EXPECT_FALSE(status.admission);
  EXPECT_EQ(status.phase, api::ExecutionPhase::kPending);
  const api::Condition* admitted = api::FindCondition(status.conditions, "Admitted");
  ASSERT_NE(admitted, nullptr);
  EXPECT_EQ(admitted->reason, "AuditUnavailable");
}

TEST(AuditHold, ItLooksAgainSoonAndEndsWhenItIsTooLate) {
  Moment m = Unaudited(AutoPolicy());
  m.execution.status = m.Status();
  ASSERT_TRUE(m.Plans<Wait>());
  EXPECT_EQ(m.Plan().again_at, At(3));
  EXPECT_EQ(Ending(m.Status(60)), "Failed AuditUnavailable");
  m.audit = base::Status::Ok();
  EXPECT_TRUE(m.Status().admission);
}

TEST(AuditHold, NobodyIsAskedAndNoApprovalIsTakenUp) {
  Moment m = Unaudited(policy::Policy::Default());
  EXPECT_FALSE(m.Plans<CreateApproval>());
  m.Ask();
  m.Decide(api::Verdict::kApproved);
  EXPECT_FALSE(m.Plans<SettleApproval>());
  EXPECT_EQ(m.Settled(60), "Expired");
  m.approval.phase = api::ApprovalPhase::kApproved;
  EXPECT_FALSE(m.Status().admission);
}

TEST(AuditHold, WhatWasClaimedIsNotStarted) {
  Moment m = Unaudited(AutoPolicy());
  m.Claim();
  EXPECT_TRUE(m.Plans<FollowRun>()) << "it may have been started by the process before";
  m.run.stage = RunView::Stage::kMissing;
  EXPECT_EQ(Ending(m.Status()), "Failed AuditUnavailable");
}

TEST(AuditHold, DenialsAndEndsGoOn) {
  Moment m = Unaudited(policy::Policy::Default());
  m.Ask();
  m.Decide(api::Verdict::kDenied);
  EXPECT_EQ(m.Settled(), "Denied");
  m.Claim();
  m.Ended(api::RunOutcome::kExited, 0);
  EXPECT_TRUE(m.Plans<StoreResult>());
}

}  // namespace
}  // namespace sandgate::op
