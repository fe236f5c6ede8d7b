#include "runner/network_files.h"

#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "runner/files.h"
#include "runner/root_files.h"

namespace sandgate::runner {
namespace {

// Where distributions keep their authorities in one file: the first that exists counts.
constexpr const char* kImageAuthorities[] = {
    "/etc/ssl/certs/ca-certificates.crt",  // Debian, Ubuntu, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",    // Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",              // openSUSE
    "/etc/ssl/cert.pem",
};

// "" where the image has none; nullopt with errno where it cannot be read.
std::optional<std::string> ImageAuthorities() {
  const char* const path = ImageAuthoritiesPath();
  if (path == nullptr) return "";
  base::Result<std::string> text = ReadFile(path, kMaxImageAuthoritiesBytes);
  if (text.ok()) {
    if (!text->empty() && text->back() != '\n') text->push_back('\n');
    return std::move(text).value();
  }
  errno = text.status().code() == base::Code::kResourceExhausted ? EFBIG : EIO;
  return std::nullopt;
}

bool BindReadOnly(const std::string& source, const std::string& target) {
  constexpr unsigned long kFlags = MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV;
  return Bind(source, target) && mount(nullptr, target.c_str(), nullptr, kFlags, nullptr) == 0;
}

}  // namespace

const char* ImageAuthoritiesPath() {
  for (const char* path : kImageAuthorities) {
    if (access(path, F_OK) == 0) return path;
  }
  return nullptr;
}

const char* WriteNetworkFiles(const NetworkSpec& network, const std::string& staging) {
  const std::string hosts = staging + kNetworkDirectory + "/hosts";
  if (!MakeDirectory(staging + kNetworkDirectory)) return "make the run's network directory";
  if (!MakeFile(hosts, network.hosts, 0444)) return "write the run's hosts";
  if (!BindReadOnly(hosts, staging + "/etc/hosts")) return "bind the run's hosts";
  if (network.authorities.empty()) return nullptr;
  const std::optional<std::string> image = ImageAuthorities();
  if (!image) return "read the image's authorities";
  if (!MakeFile(staging + kAllAuthoritiesPath, *image + network.authorities, 0444) ||
      !MakeFile(staging + kExtraAuthoritiesPath, network.authorities, 0444)) {
    return "write the run's authorities";
  }
  return nullptr;
}

int64_t NetworkFilesBytes(const NetworkSpec& network) {
  // Each file ends in a page of its own.
  constexpr int64_t kPages = 4 * 4096;
  const auto hosts = static_cast<int64_t>(network.hosts.size());
  const auto authorities = static_cast<int64_t>(network.authorities.size());
  return hosts + kPages + (authorities > 0 ? 2 * authorities + kMaxImageAuthoritiesBytes : 0);
}

}  // namespace sandgate::runner
