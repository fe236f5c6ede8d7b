// Unpacks a gzip stream of RFC 1952 whose size is known beforehand.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sandgate::gateway {

// nullopt when it is no gzip stream, is cut, has something behind it, or unpacks to any other size
// than `size`; never takes more memory than that (a small stream can unpack to gigabytes).
std::optional<std::string> Gunzip(std::string_view packed, size_t size);

}  // namespace sandgate::gateway
