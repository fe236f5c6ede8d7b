#include "runner/identity.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "runner/files.h"

namespace sandgate::runner {
namespace {

constexpr char kCertificate[] = "tls.crt";
constexpr char kKey[] = "tls.key";
constexpr char kAuthority[] = "ca.crt";
constexpr size_t kMaxPemBytes = 64 * 1024;

// Reads a file, then makes it unreadable for ever.
base::Result<std::string> Take(const std::string& path) {
  base::Result<std::string> text = ReadFile(path, kMaxPemBytes);
  if (!text.ok()) return text;
  if (unlink(path.c_str()) != 0) {
    return base::Status(base::Code::kInternal, path + ": unlink: " + std::strerror(errno));
  }
  if (access(path.c_str(), F_OK) == 0 || errno != ENOENT) {
    return base::Status(base::Code::kInternal, path + ": is still there after its removal");
  }
  return text;
}

}  // namespace

base::Status CopyIdentity(const std::string& from, const std::string& to) {
  for (const char* name : {kCertificate, kKey, kAuthority}) {
    const base::Result<std::string> text = ReadFile(from + "/" + name, kMaxPemBytes);
    if (!text.ok()) return text.status();
    if (base::Status status = WriteFileAtomically(to + "/" + name, *text, 0400); !status.ok()) {
      return status;
    }
  }
  return base::Status::Ok();
}

base::Result<RunnerIdentity> TakeIdentity(const std::string& directory) {
  RunnerIdentity identity;
  const struct {
    const char* name;
    std::string* target;
  } files[] = {{kKey, &identity.tls.key_pem},
               {kCertificate, &identity.tls.certificate_pem},
               {kAuthority, &identity.ca_pem}};
  for (const auto& file : files) {
    base::Result<std::string> text = Take(directory + "/" + file.name);
    if (!text.ok()) return text.status().WithContext("identity");
    *file.target = std::move(text).value();
  }
  return identity;
}

}  // namespace sandgate::runner
