#include "operator/ca_bundle.h"

#include <filesystem>
#include <fstream>

#include "libs/base/log.h"
#include "libs/http/tls.h"

namespace sandgate::op {
namespace {

base::Status Bad(const std::string& what) {
  return base::Status(base::Code::kInvalidArgument, what);
}

// "" when there is no such file.
base::Result<std::string> Read(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error) && !error) return std::string();
  std::ifstream file(path, std::ios::binary);
  if (!file) return Bad("it cannot be read");
  std::string text(kMaxCaBundleFileBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) return Bad("it cannot be read");
  text.resize(static_cast<size_t>(file.gcount()));
  if (text.size() > kMaxCaBundleFileBytes) return Bad("it has more than 256 KiB");
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) return std::string();
  return http::OnlyCertificates(text);
}

}  // namespace

std::string CaBundle::Get() {
  if (path_.empty()) return "";
  base::Result<std::string> read = Read(path_);
  const std::lock_guard<std::mutex> lock(mutex_);
  if (read.ok()) {
    problem_.clear();
    good_ = std::move(read).value();
  } else if (problem_ != read.status().message()) {
    problem_ = read.status().message();
    base::LogError("--ca-bundle is not used, runs trust what they did",
                   {{"file", path_}, {"error", problem_}});
  }
  return good_;
}

}  // namespace sandgate::op
