#include "api-gateway/tls_files.h"

#include <fstream>

#include "libs/base/ids.h"

namespace sandgate::gateway {
namespace {

constexpr std::streamsize kMaxFileBytes = 1024 * 1024;

base::Result<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kMaxFileBytes + 1, '\0');
  file.read(text.data(), kMaxFileBytes + 1);
  if (file.gcount() == 0 || file.gcount() > kMaxFileBytes) {
    return base::Status(base::Code::kInvalidArgument,
                        path + ": cannot be read, is empty or has more than 1 MiB");
  }
  text.resize(static_cast<size_t>(file.gcount()));
  text.shrink_to_fit();
  return text;
}

}  // namespace

base::Result<http::TlsIdentity> TlsFiles::Read() const {
  auto certificate = ReadFile(certificate_path_);
  if (!certificate.ok()) return certificate.status();
  auto key = ReadFile(key_path_);
  if (!key.ok()) return key.status();
  return http::TlsIdentity{std::move(certificate).value(), std::move(key).value()};
}

std::string TlsFiles::Fingerprint(const http::TlsIdentity& identity) {
  return base::Sha256Hex(base::Sha256Hex(identity.certificate_pem) +
                         base::Sha256Hex(identity.key_pem));
}

bool TlsFiles::Changed(const http::TlsIdentity& now) {
  std::string fingerprint = Fingerprint(now);
  if (fingerprint == known_) return false;
  known_ = std::move(fingerprint);
  return true;
}

}  // namespace sandgate::gateway
