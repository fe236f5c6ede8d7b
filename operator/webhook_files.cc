#include "operator/webhook_files.h"

#include <filesystem>
#include <fstream>
#include <iterator>

namespace sandgate::op {
namespace {

using base::Code;
using base::Result;
using base::Status;

constexpr size_t kMaxFileBytes = 64 * 1024;

Status Bad(const std::string& file, const std::string& what) {
  return Status(Code::kInvalidArgument, "webhook's " + file + ": " + what);
}

std::string Trimmed(const std::string& text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

Result<std::string> ReadFile(const std::string& directory, const std::string& name) {
  std::ifstream file(directory + '/' + name, std::ios::binary);
  if (!file) return Bad(name, "the file cannot be read");
  std::string text(kMaxFileBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) return Bad(name, "the file cannot be read");
  text.resize(static_cast<size_t>(file.gcount()));
  if (text.size() > kMaxFileBytes) return Bad(name, "the file is too large");
  text = Trimmed(text);
  if (text.empty()) return Bad(name, "the file is empty");
  return text;
}

// One a line.
Result<std::vector<std::string>> ReadKeys(const std::string& text) {
  std::vector<std::string> keys;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string key = Trimmed(text.substr(at, end - at));
    at = end + 1;
    if (key.empty()) continue;
    if (key.size() < kMinWebhookKeyBytes) {
      return Bad("key", "a key has less than " + std::to_string(kMinWebhookKeyBytes) + " bytes");
    }
    if (keys.size() == kMaxWebhookKeys) {
      return Bad("key", "there are more than " + std::to_string(kMaxWebhookKeys) + " keys");
    }
    keys.push_back(key);
  }
  return keys;
}

}  // namespace

Result<WebhookTarget> ReadWebhookTarget(const std::string& directory, bool allow_insecure) {
  WebhookTarget target;
  const auto url_text = ReadFile(directory, "url");
  if (!url_text.ok()) return url_text.status();
  auto url = http::WebUrl::Parse(*url_text);
  if (!url.ok()) return Bad("url", url.status().message());
  target.url = std::move(url).value();
  if (!target.url.tls && !allow_insecure && !target.url.IsLoopback()) {
    return Bad("url", "it must begin with https://");
  }
  const auto key_text = ReadFile(directory, "key");
  if (!key_text.ok()) return key_text.status();
  auto keys = ReadKeys(*key_text);
  if (!keys.ok()) return keys.status();
  target.keys = std::move(keys).value();
  std::error_code ignored;
  if (!std::filesystem::exists(directory + "/ca.crt", ignored)) return target;
  auto ca = ReadFile(directory, "ca.crt");
  if (!ca.ok()) return ca.status();
  target.ca_pem = std::move(ca).value() + '\n';
  return target;
}

}  // namespace sandgate::op
