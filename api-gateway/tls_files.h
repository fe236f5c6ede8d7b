// The certificate and key on disk, which are replaced under us (a mounted Secret, rotation).
#pragma once

#include <string>

#include "libs/base/status.h"
#include "libs/http/tls.h"

namespace sandgate::gateway {

class TlsFiles {
 public:
  TlsFiles(std::string certificate, std::string key)
      : certificate_path_(std::move(certificate)), key_path_(std::move(key)) {}

  // Both files as they are now. kInvalidArgument names the file that cannot be read, or is empty
  // or above 1 MiB.
  base::Result<http::TlsIdentity> Read() const;

  // True once for each change against the last call, or against `first`.
  bool Changed(const http::TlsIdentity& now);
  void SetKnown(const http::TlsIdentity& first) { known_ = Fingerprint(first); }

 private:
  static std::string Fingerprint(const http::TlsIdentity& identity);

  const std::string certificate_path_;
  const std::string key_path_;
  std::string known_;
};

}  // namespace sandgate::gateway
