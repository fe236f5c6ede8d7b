// RFC 4648 section 5, without padding. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sandgate::egress {

std::string Base64UrlEncode(std::string_view bytes);
// nullopt for anything that Base64UrlEncode would not have written: one value, one spelling.
std::optional<std::string> Base64UrlDecode(std::string_view text);

}  // namespace sandgate::egress
