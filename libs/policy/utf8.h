// Texts whose bytes are not all UTF-8: a file's content may be anything.
#pragma once

#include <string>
#include <string_view>

namespace sandgate::policy {

bool IsUtf8(std::string_view text);
// `text` with '?' for each byte that is no UTF-8: as long as before, so positions stay.
std::string WithoutBadUtf8(std::string text);

}  // namespace sandgate::policy
