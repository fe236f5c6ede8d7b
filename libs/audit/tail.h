// Where a file of records ends: at which record its chain goes on, and what a crash left behind it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "libs/audit/record.h"

namespace sandgate::audit {

struct Tail {
  std::optional<Position> last;  // of the last record that is whole, but for its newline perhaps
  std::string damage;            // the bytes behind it
  bool closed = true;            // a newline is the last byte, if there is any
};

// `end`: the file's last bytes, or all of them.
Tail ReadTail(std::string_view end);

// A record that a file goes on with: chain.start, chain.resume, or chain.torn when there is damage,
// which stays in the file and is named by size and hash.
Record GoOn(const Tail& tail, const api::Json& fields);
// Whether `line` is such a record about that damage; a newline that closed it does not count.
bool Reports(const Line& line, std::string_view damage);
bool ReportsDamage(const Line& line);

}  // namespace sandgate::audit
