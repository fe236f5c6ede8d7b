#include "operator/approval_request.h"

#include <algorithm>

#include "operator/text.h"

namespace sandgate::op {
namespace {

constexpr size_t kMaxNameBytes = 256;  // of a path or a package, in the text of one line

std::string Named(const std::string& text) {
  return CutUtf8(Printable(text), kMaxNameBytes);
}

int64_t Lines(const std::string& text) {
  return std::count(text.begin(), text.end(), '\n') + (text.empty() || text.back() == '\n' ? 0 : 1);
}

// "run 12 bytes of python in"
std::string Wish(const api::ExecutionSpec& spec) {
  switch (spec.operation) {
    case api::Operation::kExecute:
      return "run " + std::to_string(spec.code.size()) + " bytes of " +
             api::LanguageName(spec.language) + " in";
    case api::Operation::kInstallPackage:
      return "install the package " + Named(spec.package) +
             (spec.registry.empty() ? "" : " from " + Named(spec.registry)) + " in";
    case api::Operation::kWriteFile:
      return std::string(spec.append ? "append " : "write ") + std::to_string(spec.content.size()) +
             " bytes to " + Named(spec.path) +
             (spec.mode.empty() ? "" : " (mode " + Named(spec.mode) + ")") + " in";
    case api::Operation::kReadFile:
      return "read the file " + Named(spec.path) + " of";
    case api::Operation::kListFiles:
      return "list the files under " + Named(spec.path) + " of";
  }
  return "do something in";
}

// The whole list stands in summary.domains.
std::string Network(const std::vector<std::string>& domains) {
  if (domains.empty()) return "without network";
  std::string text = "with network to";
  for (size_t i = 0; i < domains.size(); ++i) {
    const std::string next = (i == 0 ? " " : ", ") + domains[i];
    if (text.size() + next.size() > kMaxNameBytes) {
      return text + " and " + std::to_string(domains.size() - i) + " more";
    }
    text += next;
  }
  return text;
}

// What no proxy can prevent, for whoever decides (docs/reference/egress.md).
constexpr char kWhatStaysPossible[] =
    " Network stays a way out for data: to these names with anything in the request, to any label "
    "under a wildcard, to other sites on the same servers (Host header), and for whatever earlier "
    "runs left in the sandbox.";

std::string Before(const SandboxHistory& history) {
  std::string text = history.ended == 0
                         ? "Nothing that could change its files is known to have run there."
                         : std::to_string(history.ended) + " run(s) ended there before.";
  if (!history.recent.empty() && !history.recent.front().ended_at) text += " One runs now.";
  return text;
}

std::string Text(const ExecutionContext& c, const policy::Assessment& assessment,
                 const api::ApprovalSummary& summary, const SandboxHistory& history) {
  std::string text = Named(c.spec().requester.username) + " wants to " + Wish(c.spec()) +
                     " the sandbox " + c.spec().sandbox_name + " (" + Named(summary.image) +
                     ") for at most " + std::to_string(summary.timeout_seconds) + " s, " +
                     Network(summary.domains) + ". Risk " + api::RiskName(assessment.risk) + ". " +
                     Before(history);
  if (!summary.domains.empty()) text += kWhatStaysPossible;
  if (summary.identical_pending > 0) {
    text += " The same requester waits for the same thing " +
            std::to_string(summary.identical_pending) + " time(s) more.";
  }
  return text;
}

// What is shown of the code or of the file's content.
void Excerpt(const api::ExecutionSpec& spec, api::ApprovalSummary* summary) {
  const std::string& text = spec.operation == api::Operation::kWriteFile ? spec.content : spec.code;
  summary->code_excerpt = CutUtf8(text, api::kMaxExcerptBytes);
  summary->code_bytes = static_cast<int64_t>(text.size());
  summary->code_lines = Lines(text);
}

api::ApprovalSummary Summarise(const ExecutionContext& c, const policy::Assessment& assessment,
                               const api::EffectiveLimits& limits, const SandboxHistory& history) {
  const api::ExecutionSpec& spec = c.spec();
  api::ApprovalSummary summary;
  summary.tool = api::ToolName(spec.operation);
  if (spec.operation == api::Operation::kExecute) {
    summary.language = api::LanguageName(spec.language);
  }
  Excerpt(spec, &summary);
  summary.package = spec.package;
  summary.registry = spec.registry;
  summary.path = spec.path;
  summary.mode = spec.mode;
  summary.append = spec.append;
  summary.domains = c.Domains(limits).domains;
  summary.timeout_seconds = TimeoutSeconds(spec, limits);
  summary.image = limits.image;
  summary.sandbox_runs = history.ended;
  summary.recent_runs = history.recent;
  summary.identical_pending = static_cast<int64_t>(c.seen.load.identical.size());
  summary.identical_names = c.seen.load.identical;
  if (summary.identical_names.size() > api::kMaxIdenticalNames) {
    summary.identical_names.resize(api::kMaxIdenticalNames);
  }
  summary.text = Text(c, assessment, summary, history);
  return summary;
}

}  // namespace

api::ApprovalRequest BuildRequest(const ExecutionContext& c, const policy::Assessment& assessment,
                                  const api::EffectiveLimits& limits,
                                  const SandboxHistory& history) {
  api::ApprovalRequest request;
  request.execution_name = c.execution().meta.name;
  request.execution_uid = c.execution().meta.uid;
  request.sandbox_name = c.seen.sandbox->meta.name;
  request.sandbox_uid = c.seen.sandbox->meta.uid;
  request.risk = assessment.risk;
  request.reasons = assessment.reasons;
  request.requester = c.spec().requester.username;
  request.requester_uid = c.spec().requester.uid;
  request.summary = Summarise(c, assessment, limits, history);
  request.policy_revision = c.policy.revision();
  request.spec_hash = c.Hash(limits, request.policy_revision);
  request.expires_at = c.now + assessment.timeout;
  return request;
}

}  // namespace sandgate::op
