// One line of the audit log, and how it is chained to the one before.
//
// The canonical form. A line is one JSON object in printable ASCII (everything else is escaped as
// \uXXXX), without blanks between its tokens, its members sorted by name, but for `hash`, which is
// the last one. Its canonical bytes are the line without that member: what stands before
// `,"hash":"`, and a `}`. `hash` is the SHA-256 (FIPS 180-4) of the canonical bytes in lower-case
// hex, `prev` is the `hash` of the line before: 64 zeros in the first line of a chain. So anybody
// can check a line without this program:
//
//   printf %s "$line" | sed -E 's/,"hash":"[0-9a-f]{64}"}$/}/' | sha256sum
//
// Members of every line: log ("audit"), chain (32 hex digits, random for each chain), seq (1, 2, 3
// ...), time (RFC 3339, UTC, microseconds), event, prev, hash; `cut` is true where a text was cut.
#pragma once

#include <string>
#include <string_view>

#include "libs/api/json.h"
#include "libs/base/clock.h"

namespace sandgate::audit {

// Without the newline. A container runtime cuts longer log lines into pieces.
inline constexpr size_t kMaxLineBytes = 8192;
inline constexpr size_t kMaxTextBytes = 1024;  // of one text, before it is escaped
inline constexpr size_t kMaxListItems = 16;
inline constexpr char kStartEvent[] = "chain.start";
inline constexpr char kTornEvent[] = "chain.torn";
inline constexpr char kResumeEvent[] = "chain.resume";

// What happened. Callers keep code, file content, output, tokens and keys out of the fields: sizes
// and hashes tell of them.
struct Record {
  std::string event;  // "execution.admitted"
  // Texts, numbers, booleans and lists of texts; none of the names above.
  api::Json fields = api::Json::object();
  bool durable = false;  // on the disk before Append returns
};

// Where a chain stands.
struct Position {
  std::string chain;
  int64_t seq = 0;
  std::string hash = std::string(64, '0');

  bool operator==(const Position&) const = default;
};

// The line that follows `last`, without its newline. Texts are cut so that it has no more than
// kMaxLineBytes; never throws.
std::string FormatLine(const Position& last, const Record& record, base::Time time);

struct Line {
  Position position;
  std::string prev, event;
  api::Json members;
};

// Reads a line of any origin. kInvalidArgument: not a record; kConflict: a record whose hash is not
// that of its bytes.
base::Result<Line> ParseLine(std::string_view line);

// Whether it means to be a record: for logs where others write too.
bool LooksLikeRecord(std::string_view line);

}  // namespace sandgate::audit
