// What approvers' channels are told: one message for a question that waits, one for its end. Pure.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "libs/api/approval.h"

namespace sandgate::op {

enum class WebhookEvent { kPending, kSettled };
const char* WebhookEventName(WebhookEvent event);  // "approval.pending", "approval.settled"

struct WebhookText {
  bool include_code = false;  // the excerpt, and the lines that the reasons cite
};

// Stable over retries, restarts and leaders: a receiver drops what it has seen.
std::string DeliveryId(const api::Approval& approval, WebhookEvent event);

// The body as JSON in ASCII: id, event, sentAt, text (one line that Slack and its likes show) and
// approval. At most about 100 KiB, whatever the Approval holds. In `text` everything that is not
// the operator's own wording stands in a code span, where no link, mention or line break works.
std::string WebhookBody(const api::Approval& approval, WebhookEvent event, const WebhookText& what,
                        base::Time now);

// A foreign text as such a span of at most `limit` characters; "" stays "".
std::string CodeSpan(std::string_view text, size_t limit);

// A policy's reason without the lines of code that it cites: "RISK: description (evidence)" loses
// its evidence. It is cut at the first " (", which no code can come before.
std::string WithoutEvidence(const std::string& reason);

// The value of Sandgate-Signature: "t=<unix seconds>,v1=<hex>", one v1 for each key, each the
// HMAC-SHA256 of "<t>.<body>".
std::string WebhookSignature(const std::vector<std::string>& keys, base::Time now,
                             const std::string& body);

}  // namespace sandgate::op
