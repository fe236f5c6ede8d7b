#include <openssl/evp.h>

#include <vector>

#include "libs/api/runner_protocol.h"

namespace sandgate::api {

std::string Base64Encode(std::string_view bytes) {
  std::vector<unsigned char> out(4 * ((bytes.size() + 2) / 3) + 1);
  const int size = EVP_EncodeBlock(out.data(), reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  return std::string(reinterpret_cast<const char*>(out.data()), static_cast<size_t>(size));
}

std::optional<std::string> Base64Decode(std::string_view text) {
  // OpenSSL trims white space and counts padding as data; both are settled here.
  if (text.size() % 4 != 0) return std::nullopt;
  if (text.empty()) return std::string();
  size_t padding = 0;
  while (padding < 2 && text[text.size() - 1 - padding] == '=') ++padding;
  const std::string_view data = text.substr(0, text.size() - padding);
  if (data.find_first_of("= \t\r\n\v\f") != std::string_view::npos) return std::nullopt;
  std::vector<unsigned char> out(text.size() / 4 * 3);
  const int size = EVP_DecodeBlock(out.data(), reinterpret_cast<const unsigned char*>(text.data()),
                                   static_cast<int>(text.size()));
  if (size < 0 || static_cast<size_t>(size) != out.size()) return std::nullopt;
  return std::string(reinterpret_cast<const char*>(out.data()), out.size() - padding);
}

}  // namespace sandgate::api
