#include "operator/policy_file.h"

#include <condition_variable>
#include <fstream>

#include "libs/base/log.h"

namespace sandgate::op {
namespace {

constexpr std::chrono::seconds kInterval{2};
constexpr std::streamsize kMaxFileBytes = 1024 * 1024;  // the policy's own limit is below

base::Result<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return base::Status(base::Code::kInvalidArgument, path + ": cannot be read");
  std::string text(kMaxFileBytes + 1, '\0');
  file.read(text.data(), kMaxFileBytes + 1);
  if (file.bad() || file.gcount() > kMaxFileBytes) {
    return base::Status(base::Code::kInvalidArgument,
                        path + ": cannot be read or has more than 1 MiB");
  }
  text.resize(static_cast<size_t>(file.gcount()));
  text.shrink_to_fit();
  return text;
}

}  // namespace

PolicyFile::PolicyFile(std::string path, std::function<void()> on_change)
    : path_(std::move(path)), on_change_(std::move(on_change)) {}

PolicyFile::~PolicyFile() {
  Stop();
}

bool PolicyFile::Look(base::Status* status) {
  base::Result<std::string> text = path_.empty() ? base::Result<std::string>("") : ReadFile(path_);
  const std::lock_guard<std::mutex> lock(mutex_);
  if (watched_) {
    *status = seen_status_;
    return false;
  }
  return Take(std::move(text), status);
}

base::Status PolicyFile::Offer(base::Result<std::string> text) {
  base::Status status;
  bool changed = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    watched_ = true;
    changed = Take(std::move(text), &status);
  }
  if (changed && on_change_) on_change_();
  return status;
}

// Under mutex_.
bool PolicyFile::Take(base::Result<std::string> text, base::Status* status) {
  const bool was_healthy = healthy_;
  if (!text.ok()) {
    if (seen_ || seen_status_.ok()) {
      base::LogError("policy refused, the last good one stays",
                     {{"error", text.status().message()}});
    }
    seen_.reset();
    *status = seen_status_ = text.status();
    healthy_ = false;
    return was_healthy;
  }
  if (seen_ == *text) {
    *status = seen_status_;
    return false;
  }
  auto policy = path_.empty() && !watched_
                    ? base::Result(policy::Policy::Default())
                    : policy::Policy::Load(*text, path_.empty() ? "policy.yaml" : path_);
  seen_ = *text;
  *status = seen_status_ = policy.ok() ? base::Status::Ok() : policy.status();
  healthy_ = policy.ok();
  if (!policy.ok()) {
    base::LogError("policy refused, the last good one stays", {{"error", status->message()}});
    return was_healthy;
  }
  const bool changed = !policy_ || policy_->revision() != (*policy)->revision();
  policy_ = std::move(policy).value();
  good_text_ = std::move(text).value();
  if (changed) base::LogInfo("policy in use", {{"revision", policy_->revision()}});
  return changed || !was_healthy;
}

base::Status PolicyFile::Load() {
  base::Status status;
  Look(&status);
  return status;
}

void PolicyFile::Start() {
  if (path_.empty() || thread_.joinable()) return;
  thread_ = std::jthread([this](const std::stop_token& stop) { Poll(stop); });
}

void PolicyFile::Stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
}

void PolicyFile::Poll(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock<std::mutex> lock(mutex);
  while (!stop.stop_requested()) {
    base::Status status;
    if (Look(&status) && on_change_) on_change_();
    wake.wait_for(lock, stop, kInterval, [] { return false; });
  }
}

std::shared_ptr<const policy::Policy> PolicyFile::Get() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return policy_;
}

std::string PolicyFile::Text() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return good_text_;
}

bool PolicyFile::healthy() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return healthy_;
}

}  // namespace sandgate::op
