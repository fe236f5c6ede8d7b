// What a deployment says about the webhook (webhook.h).
#pragma once

#include <chrono>
#include <string>

#include "operator/webhook_logic.h"

namespace sandgate::op {

struct WebhookOptions {
  std::string directory;  // of webhook_files.h; "": there is no webhook
  WebhookText text;
  bool outcomes = true;
  bool allow_insecure = false;  // http:// to other machines
  std::chrono::milliseconds attempt_deadline{5'000};
  size_t capacity = 1024;  // messages that wait
};

}  // namespace sandgate::op
