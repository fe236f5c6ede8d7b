#include "operator/webhook_logic.h"

#include <algorithm>

#include "libs/base/ids.h"
#include "operator/text.h"

namespace sandgate::op {
namespace {

using api::Json;

constexpr size_t kMaxReasons = 16;
constexpr size_t kMaxReasonBytes = 512;
constexpr size_t kReasonsInText = 3;
constexpr size_t kLongSpan = 160;
constexpr size_t kNameSpan = 128;

// Of the summary, what is no code. A list of what may leave, so that a new member stays here until
// somebody thought about it.
constexpr const char* kSummaryMembers[] = {
    "tool", "language", "codeBytes",        "codeLines",      "package",     "registry",
    "path", "domains",  "identicalPending", "timeoutSeconds", "sandboxRuns", "workspaceChanged",
    "image"};

struct Character {
  char32_t value = 0;
  size_t bytes = 1;
};

// The next character of UTF-8 text; a malformed byte is U+FFFD.
Character Decode(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return {first, 1};
  const size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < size) return {0xFFFD, 1};
  char32_t value = first & (0xFFU >> (size + 1));
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {0xFFFD, 1};
    value = (value << 6) | (byte(i) & 0x3FU);
  }
  constexpr char32_t kFirst[] = {0x80, 0x800, 0x10000};  // of each size: less is overlong
  if (value < kFirst[size - 2] || value > 0x10FFFF) return {0xFFFD, 1};
  return {value, size};
}

// Breaks a line, is not seen, or turns the order of what is read around.
bool IsTreacherous(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0xAD || c == 0x61C || c == 0x180E ||
         (c >= 0x200B && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) ||
         (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF || c == 0xFFFD || c >= 0xE0000 ||
         (c >= 0xD800 && c <= 0xDFFF);
}

// Only what Kubernetes lets an object be called is put into a command to copy.
bool IsSafeInShell(const std::string& name) {
  return !name.empty() && name.front() != '-' && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
  });
}

std::string Kubectl(const api::Approval& approval, const char* verb, const std::string& rest) {
  return std::string("kubectl ") + verb + " approvals.sandgate.dev -n " + approval.meta.ns + ' ' +
         approval.meta.name + rest;
}

Json Commands(const api::Approval& approval) {
  if (!IsSafeInShell(approval.meta.ns) || !IsSafeInShell(approval.meta.name)) return nullptr;
  const auto decide = [&](const char* verdict) {
    return Kubectl(approval, "patch",
                   std::string(R"( --type=merge -p '{"spec":{"decision":{"verdict":")") + verdict +
                       R"("}}}')");
  };
  return {{"read", Kubectl(approval, "get", " -o yaml")},
          {"approve", decide("Approved")},
          {"deny", decide("Denied")}};
}

std::vector<std::string> Reasons(const api::Approval& approval, const WebhookText& what) {
  std::vector<std::string> reasons;
  for (const std::string& reason : approval.request.reasons) {
    if (reasons.size() == kMaxReasons) break;
    reasons.push_back(
        CutUtf8(what.include_code ? reason : WithoutEvidence(reason), kMaxReasonBytes));
  }
  return reasons;
}

int64_t SecondsLeft(const api::Approval& approval, base::Time now) {
  const auto left =
      std::chrono::duration_cast<std::chrono::seconds>(approval.request.expires_at - now);
  return std::max<int64_t>(0, left.count());
}

Json Summary(const api::Approval& approval, const WebhookText& what) {
  const Json whole = api::ToJson(approval.request);
  const Json& summary = api::Member(whole, "summary");
  Json out = Json::object();
  for (const char* name : kSummaryMembers) {
    const Json& value = api::Member(summary, name);
    if (!value.is_null() && value != "") out[name] = value;
  }
  if (what.include_code) out["codeExcerpt"] = approval.request.summary.code_excerpt;
  return out;
}

Json Describe(const api::Approval& approval, WebhookEvent event, const WebhookText& what,
              base::Time now) {
  const api::ApprovalRequest& request = approval.request;
  Json out = Summary(approval, what);
  out["namespace"] = approval.meta.ns;
  out["name"] = approval.meta.name;
  out["uid"] = approval.meta.uid;
  out["phase"] = approval.phase ? api::ApprovalPhaseName(*approval.phase) : "";
  out["risk"] = api::RiskName(request.risk);
  out["reasons"] = Reasons(approval, what);
  out["reasonsTotal"] = request.reasons.size();
  out["requester"] = request.requester;
  out["sandbox"] = request.sandbox_name;
  out["execution"] = {{"name", request.execution_name}, {"uid", request.execution_uid}};
  out["expiresAt"] = base::FormatTime(request.expires_at);
  if (event == WebhookEvent::kPending) {
    out["secondsLeft"] = SecondsLeft(approval, now);
    if (const Json commands = Commands(approval); !commands.is_null()) out["commands"] = commands;
    return out;
  }
  if (!approval.message.empty()) out["message"] = approval.message;
  if (approval.decision) {
    const bool approved = approval.decision->verdict == api::Verdict::kApproved;
    out["verdict"] = approved ? "Approved" : "Denied";
    out["decidedBy"] = approval.decision->decided_by;
    out["reason"] = approval.decision->reason;
  }
  return out;
}

// "`agents/run-1`: `code_execute` by `alice` in sandbox `box`"
std::string Subject(const api::Approval& approval) {
  const api::ApprovalRequest& request = approval.request;
  return CodeSpan(approval.meta.ns + "/" + approval.meta.name, kNameSpan) + ": " +
         CodeSpan(request.summary.tool, kNameSpan) + " by " +
         CodeSpan(request.requester, kNameSpan) + " in sandbox " +
         CodeSpan(request.sandbox_name, kNameSpan);
}

std::string Listed(const std::vector<std::string>& texts, size_t total) {
  std::string out;
  for (size_t i = 0; i < std::min(texts.size(), kReasonsInText); ++i) {
    out += (i == 0 ? "" : ", ") + CodeSpan(texts[i], kLongSpan);
  }
  if (total > kReasonsInText) out += " and " + std::to_string(total - kReasonsInText) + " more";
  return out;
}

std::string PendingText(const api::Approval& approval, const WebhookText& what, base::Time now) {
  const api::ApprovalRequest& request = approval.request;
  std::string text = std::string("Sandgate asks: ") + api::RiskName(request.risk) + ", " +
                     std::to_string(SecondsLeft(approval, now)) + " s left, " + Subject(approval);
  if (!request.summary.domains.empty()) {
    text += ". It may reach " + Listed(request.summary.domains, request.summary.domains.size());
  }
  if (!request.reasons.empty()) {
    text += ". Why: " + Listed(Reasons(approval, what), request.reasons.size());
  }
  const Json commands = Commands(approval);
  if (commands.is_null()) return text + ".";
  const auto command = [&](const char* name) {
    return '`' + api::StringOr(commands, name) + '`';  // made of safe characters alone
  };
  return text + ". Read " + command("read") + " then decide " + command("approve") + " or " +
         command("deny");
}

std::string SettledText(const api::Approval& approval) {
  std::string text = "Sandgate: ";
  text += approval.phase ? api::ApprovalPhaseName(*approval.phase) : "settled";
  if (approval.decision && approval.phase != api::ApprovalPhase::kExpired) {
    // What a human approved may have been void by then.
    const bool approved = approval.decision->verdict == api::Verdict::kApproved;
    if (approved && approval.phase != api::ApprovalPhase::kApproved) text += " though approved";
    text += " by " + CodeSpan(approval.decision->decided_by, kNameSpan);
  }
  text += ", " + Subject(approval);
  if (approval.decision && !approval.decision->reason.empty()) {
    text += ". Reason: " + CodeSpan(approval.decision->reason, kLongSpan);
  }
  if (!approval.message.empty()) text += ". " + CodeSpan(approval.message, kLongSpan);
  return text;
}

}  // namespace

const char* WebhookEventName(WebhookEvent event) {
  switch (event) {
    case WebhookEvent::kPending:
      return "approval.pending";
    case WebhookEvent::kSettled:
      return "approval.settled";
  }
  return "";
}

std::string DeliveryId(const api::Approval& approval, WebhookEvent event) {
  return approval.meta.uid + (event == WebhookEvent::kPending ? ".pending" : ".settled");
}

std::string CodeSpan(std::string_view text, size_t limit) {
  if (text.empty()) return "";
  std::string out = "`";
  for (size_t shown = 0; !text.empty(); ++shown) {
    if (shown == limit) {
      out += "...";
      break;
    }
    const Character c = Decode(text);
    if (IsTreacherous(c.value)) {
      out += '?';
    } else if (c.value == '`') {
      out += '\'';  // would end the span
    } else if (c.value == '&') {
      out += "&amp;";
    } else if (c.value == '<') {
      out += "&lt;";
    } else if (c.value == '>') {
      out += "&gt;";
    } else {
      out += text.substr(0, c.bytes);
    }
    text.remove_prefix(c.bytes);
  }
  return out + '`';
}

std::string WithoutEvidence(const std::string& reason) {
  return reason.substr(0, reason.find(" ("));
}

std::string WebhookBody(const api::Approval& approval, WebhookEvent event, const WebhookText& what,
                        base::Time now) {
  const Json body = {{"id", DeliveryId(approval, event)},
                     {"event", WebhookEventName(event)},
                     {"sentAt", base::FormatTime(now)},
                     {"text", event == WebhookEvent::kPending ? PendingText(approval, what, now)
                                                              : SettledText(approval)},
                     {"approval", Describe(approval, event, what, now)}};
  return body.dump(-1, ' ', true, Json::error_handler_t::replace);
}

std::string WebhookSignature(const std::vector<std::string>& keys, base::Time now,
                             const std::string& body) {
  const std::string t = std::to_string(
      std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count());
  std::string value = "t=" + t;
  for (const std::string& key : keys) {
    value += ",v1=" + base::HmacSha256Hex(key, t + '.' + body);
  }
  return value;
}

}  // namespace sandgate::op
