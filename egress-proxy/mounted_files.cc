#include "egress-proxy/mounted_files.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "libs/base/ids.h"
#include "libs/egress/grant.h"

namespace sandgate::egress {
namespace {

using base::Code;
using base::Result;
using base::Status;

constexpr std::streamsize kMaxFileBytes = 1024 * 1024;

Result<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kMaxFileBytes + 1, '\0');
  file.read(text.data(), kMaxFileBytes + 1);
  if (file.gcount() == 0 || file.gcount() > kMaxFileBytes) {
    return Status(Code::kInvalidArgument,
                  path + ": cannot be read, is empty or has more than 1 MiB");
  }
  text.resize(static_cast<size_t>(file.gcount()));
  text.shrink_to_fit();
  return text;
}

}  // namespace

Result<http::ServerTls> ReadTlsFiles(const std::string& tls_dir, const std::string& client_ca) {
  auto certificate = ReadFile(tls_dir + "/tls.crt");
  if (!certificate.ok()) return certificate.status();
  auto key = ReadFile(tls_dir + "/tls.key");
  if (!key.ok()) return key.status();
  auto ca = ReadFile(client_ca);
  if (!ca.ok()) return ca.status();
  return http::ServerTls{{std::move(certificate).value(), std::move(key).value()},
                         std::move(ca).value()};
}

Result<std::vector<std::string>> ReadKeyFiles(const std::string& dir) {
  std::error_code ec;
  std::vector<std::string> paths;
  for (std::filesystem::directory_iterator entry(dir, ec), end; !ec && entry != end;
       entry.increment(ec)) {
    if (entry->path().extension() == ".pem") paths.push_back(entry->path().string());
    if (paths.size() > kMaxGrantKeys) {
      return Status(Code::kInvalidArgument, dir + ": more than 8 keys");
    }
  }
  if (ec) return Status(Code::kInvalidArgument, dir + ": " + ec.message());
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> keys;
  for (const std::string& path : paths) {
    auto key = ReadFile(path);
    if (!key.ok()) return key.status();
    keys.push_back(std::move(key).value());
  }
  return keys;
}

std::string FingerprintOf(const http::ServerTls& tls) {
  return FingerprintOf(std::vector<std::string>{tls.identity.certificate_pem, tls.identity.key_pem,
                                                tls.client_ca_pem});
}

std::string FingerprintOf(const std::vector<std::string>& keys) {
  std::string digests;
  for (const std::string& key : keys) digests += base::Sha256Hex(key);
  return base::Sha256Hex(digests);
}

}  // namespace sandgate::egress
