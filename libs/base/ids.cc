#include "libs/base/ids.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/random.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

namespace sandgate::base {
namespace {

std::vector<unsigned char> RandomBytes(size_t bytes) {
  std::vector<unsigned char> out(bytes);
  size_t done = 0;
  while (done < bytes) {
    const ssize_t got = ::getrandom(out.data() + done, bytes - done, 0);
    if (got <= 0) {
      std::perror("getrandom");
      std::abort();
    }
    done += static_cast<size_t>(got);
  }
  return out;
}

std::string ToHex(const unsigned char* data, size_t size) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(size * 2);
  for (size_t i = 0; i < size; ++i) {
    out.push_back(kDigits[data[i] >> 4]);
    out.push_back(kDigits[data[i] & 15]);
  }
  return out;
}

}  // namespace

std::string RandomHex(size_t bytes) {
  const auto random = RandomBytes(bytes);
  return ToHex(random.data(), random.size());
}

std::string RandomUuid() {
  auto random = RandomBytes(16);
  random[6] = static_cast<unsigned char>((random[6] & 0x0f) | 0x40);
  random[8] = static_cast<unsigned char>((random[8] & 0x3f) | 0x80);
  const std::string hex = ToHex(random.data(), random.size());
  return hex.substr(0, 8) + '-' + hex.substr(8, 4) + '-' + hex.substr(12, 4) + '-' +
         hex.substr(16, 4) + '-' + hex.substr(20);
}

std::string Sha256Hex(std::string_view data) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (EVP_Digest(data.data(), data.size(), digest, &size, EVP_sha256(), nullptr) != 1) std::abort();
  return ToHex(digest, size);
}

std::string HmacSha256Hex(std::string_view key, std::string_view data) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  const auto* bytes = reinterpret_cast<const unsigned char*>(data.data());
  if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes, data.size(), digest,
           &size) == nullptr) {
    std::abort();
  }
  return ToHex(digest, size);
}

}  // namespace sandgate::base
