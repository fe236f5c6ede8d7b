// Small steps of building a run's root. Each is false with errno on failure.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

namespace sandgate::runner {

bool Bind(const std::string& source, const std::string& target);
bool MakeDirectory(const std::string& path);
// A new file; never one that was there.
bool MakeFile(const std::string& path, std::string_view text, mode_t mode);

}  // namespace sandgate::runner
