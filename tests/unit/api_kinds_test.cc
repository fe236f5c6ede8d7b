#include <gtest/gtest.h>

#include <functional>

#include "libs/api/approval.h"
#include "libs/api/execution.h"
#include "libs/api/sandbox.h"
#include "libs/api/spec_hash.h"

namespace sandgate::api {
namespace {

Json ExecutionJson() {
  return {{"metadata", {{"namespace", "agents"}, {"name", "e1"}, {"uid", "u1"}}},
          {"spec",
           {{"sandboxName", "s1"},
            {"operation", "Execute"},
            {"requester", {{"username", "system:serviceaccount:agents:agent"}}},
            {"execute", {{"language", "python"}, {"code", "print(1)"}}}}}};
}

TEST(Quantity, ReadsWhatKubernetesReads) {
  const struct {
    const char* text;
    std::optional<int64_t> millis, units;
  } kCases[] = {
      {"512Mi", 536870912000, 536870912},
      {"1Gi", 1073741824000, 1073741824},
      {"500m", 500, 1},
      {"0.5", 500, 1},
      {"2", 2000, 2},
      {"1.5k", 1500000, 1500},
      {"1e3", 1000000, 1000},
      {"1E2", 100000, 100},
      {"1Ki", 1024000, 1024},
      {"0", 0, 0},
      {"100u", 1, 1},
      {"", {}, {}},
      {"-1", {}, {}},
      {"abc", {}, {}},
      {"1KB", {}, {}},
      {"1 Mi", {}, {}},
      {"0x10", {}, {}},
      {"1e99", {}, {}},
      {"Mi", {}, {}},
      {"1.2.3", {}, {}},
      {"99999999999999999999", {}, {}},
      {"inf", {}, {}},
      {"nan", {}, {}},
      {"1e", {}, {}},
  };
  for (const auto& one : kCases) {
    EXPECT_EQ(QuantityMillis(one.text), one.millis) << one.text;
    EXPECT_EQ(QuantityUnits(one.text), one.units) << one.text;
  }
}

TEST(Execution, ReadsItsSpecAndNamesWhatIsWrong) {
  const auto read = Execution::FromJson(ExecutionJson());
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->spec.code, "print(1)");
  EXPECT_FALSE(read->spec.timeout_seconds.has_value());

  const struct {
    const char* pointer;
    Json value;
    const char* field;
  } kCases[] = {
      {"/spec/operation", "Explode", "spec.operation"},
      {"/spec/operation", 3, "spec.operation"},
      {"/spec/sandboxName", "", "spec.sandboxName"},
      {"/spec/execute/language", "cobol", "spec.execute.language"},
      {"/spec/execute/code", Json::array(), "spec.execute.code"},
      {"/spec", nullptr, "spec.sandboxName"},
  };
  for (const auto& one : kCases) {
    Json json = ExecutionJson();
    json[Json::json_pointer(one.pointer)] = one.value;
    const auto refused = Execution::FromJson(json);
    ASSERT_FALSE(refused.ok()) << one.pointer;
    EXPECT_EQ(refused.status().message().rfind(one.field, 0), 0u) << refused.status().message();
  }
}

TEST(Execution, StatusSurvivesARoundTrip) {
  ExecutionStatus status;
  status.phase = ExecutionPhase::kFailed;
  status.risk = RiskLevel::kHigh;
  status.risk_reasons = {"code"};
  status.approval_name = "e1";
  status.approval_uid = "a1";
  status.admission = Admission{"h", "r", "Approval"};
  status.claim = Claim{"run", "pod", "boot"};
  status.exit_code = -1;
  status.execution_time_millis = 0;
  status.out = "";
  status.err = "late\n";
  status.stderr_truncated = true;
  status.stdout_ref = OutputRef{{"c0", "c1"}, "sha", 9};
  status.content_encoding = "base64";
  status.files = {MakeFileEntry("a", FileType::kFile, 3, 1'700'000'000)};
  status.files_truncated = true;
  status.files_cursor = ListCursor("a");
  status.error = ExecutionError{"TimeoutError", "too long"};
  Json json = ExecutionJson();
  json["status"] = ToJson(status);
  const auto read = Execution::FromJson(json);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(ToJson(read->status), json["status"]);
  EXPECT_TRUE(read->status.terminal());
  EXPECT_EQ(read->status.out, "");
  EXPECT_EQ(read->status.claim, status.claim);
}

TEST(Execution, TerminalPhasesAreTheSevenOfTheDesign) {
  int terminal = 0;
  for (int i = 0; i <= static_cast<int>(ExecutionPhase::kLost); ++i) {
    const auto phase = static_cast<ExecutionPhase>(i);
    EXPECT_EQ(ParsePhase(PhaseName(phase)), phase);
    if (IsTerminal(phase)) ++terminal;
  }
  EXPECT_EQ(terminal, 7);
  EXPECT_FALSE(IsTerminal(ExecutionPhase::kRunning));
}

TEST(Approval, OnlyExactlyApprovedIsApproved) {
  for (const char* verdict : {"approved", "APPROVED", " Approved", "Denied", "", "yes"}) {
    Json json = {{"spec",
                  {{"request", {{"risk", "HIGH"}, {"expiresAt", "2026-01-02T03:04:05Z"}}},
                   {"decision", {{"verdict", verdict}}}}}};
    const auto read = Approval::FromJson(json);
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(read->decision->verdict, Verdict::kDenied) << verdict;
  }
}

TEST(Approval, WithoutADeadlineItIsNotRead) {
  EXPECT_FALSE(Approval::FromJson({{"spec", {{"request", {{"risk", "HIGH"}}}}}}).ok());
  EXPECT_FALSE(Approval::FromJson(Json::array()).ok());
}

TEST(Conditions, TransitionTimeMovesWithTheStatusAlone) {
  const base::Time first{std::chrono::seconds(100)};
  const base::Time second{std::chrono::seconds(200)};
  Conditions conditions;
  EXPECT_TRUE(SetCondition(&conditions, {"Ready", "False", "Starting", "", {}}, first));
  EXPECT_FALSE(SetCondition(&conditions, {"Ready", "False", "Starting", "", {}}, second));
  EXPECT_TRUE(SetCondition(&conditions, {"Ready", "False", "Pulling", "", {}}, second));
  EXPECT_EQ(FindCondition(conditions, "Ready")->last_transition, first);
  EXPECT_TRUE(SetCondition(&conditions, {"Ready", "True", "Up", "", {}}, second));
  EXPECT_EQ(FindCondition(conditions, "Ready")->last_transition, second);
  EXPECT_EQ(conditions.size(), 1u);
}

// Every member that an approval is bound to, changed alone.
TEST(SpecHash, MovesWithEveryMemberAndWithNothingElse) {
  const Execution base_execution = *Execution::FromJson(ExecutionJson());
  EffectiveLimits limits;
  limits.image = "python:3.11-slim";
  const std::string hash = SpecHash(base_execution, "sb", limits, "rev");
  EXPECT_EQ(hash.size(), 64u);

  Execution cancelled = base_execution;
  cancelled.spec.cancel = true;
  cancelled.meta.resource_version = "9";
  cancelled.status.phase = ExecutionPhase::kAwaitingApproval;
  EXPECT_EQ(SpecHash(cancelled, "sb", limits, "rev"), hash);

  const std::vector<std::function<void(Execution*)>> changes = {
      [](Execution* e) { e->meta.uid = "u2"; },
      [](Execution* e) { e->spec.sandbox_name = "s2"; },
      [](Execution* e) { e->spec.operation = Operation::kReadFile; },
      [](Execution* e) { e->spec.timeout_seconds = 0; },
      [](Execution* e) { e->spec.network_enabled = true; },
      [](Execution* e) { e->spec.allowed_domains = {"a.example"}; },
      [](Execution* e) { e->spec.requester.username += "x"; },
      [](Execution* e) { e->spec.requester.uid = "x"; },
      [](Execution* e) { e->spec.language = Language::kShell; },
      [](Execution* e) { e->spec.code += " "; },
      [](Execution* e) { e->spec.package = "p"; },
      [](Execution* e) { e->spec.registry = "pypi"; },
      [](Execution* e) { e->spec.path = "p"; },
      [](Execution* e) { e->spec.content = "c"; },
      [](Execution* e) { e->spec.append = true; },
      [](Execution* e) { e->spec.mode = "0644"; },
      [](Execution* e) { e->spec.encoding = "text"; },
      [](Execution* e) { e->spec.limit = 1; },
      [](Execution* e) { e->spec.cursor = "YQ"; },
  };
  for (size_t i = 0; i < changes.size(); ++i) {
    Execution changed = base_execution;
    changes[i](&changed);
    EXPECT_NE(SpecHash(changed, "sb", limits, "rev"), hash) << "change " << i;
  }
  EXPECT_NE(SpecHash(base_execution, "sb2", limits, "rev"), hash);
  EXPECT_NE(SpecHash(base_execution, "sb", limits, "rev2"), hash);
  EXPECT_NE(SpecHash(base_execution, "sb", limits, "rev", {"a.example"}), hash);
  EXPECT_NE(SpecHash(base_execution, "sb", limits, "rev", {"a.example"}),
            SpecHash(base_execution, "sb", limits, "rev", {"b.example"}));
  EXPECT_EQ(SpecHash(base_execution, "sb", limits, "rev", {}), hash)
      << "what was admitted without network before still is";
  const std::vector<std::function<void(EffectiveLimits*)>> limit_changes = {
      [](EffectiveLimits* l) { l->memory_bytes = 1; },
      [](EffectiveLimits* l) { l->cpu_millis = 1; },
      [](EffectiveLimits* l) { l->disk_bytes = 1; },
      [](EffectiveLimits* l) { l->timeout_seconds = 1; },
      [](EffectiveLimits* l) { l->output_bytes = 1; },
      [](EffectiveLimits* l) { l->image = "other"; },
      [](EffectiveLimits* l) { l->allowed_domains = {"a.example"}; },
  };
  for (size_t i = 0; i < limit_changes.size(); ++i) {
    EffectiveLimits changed = limits;
    limit_changes[i](&changed);
    EXPECT_NE(SpecHash(base_execution, "sb", changed, "rev"), hash) << "limit " << i;
  }
}

// A value cannot be written so that it reads as the members after it.
TEST(SpecHash, ValuesCannotRunIntoEachOther) {
  Execution one = *Execution::FromJson(ExecutionJson());
  Execution two = one;
  one.spec.package = "a";
  one.spec.registry = "b";
  two.spec.package = "a\nregistry:1:b";
  two.spec.registry = "";
  EXPECT_NE(SpecHash(one, "s", {}, "r"), SpecHash(two, "s", {}, "r"));
}

}  // namespace
}  // namespace sandgate::api
