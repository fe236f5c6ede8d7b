// Names as the egress proxy and grants know them: lower-case LDH labels, no final dot. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sandgate::egress {

inline constexpr size_t kMaxNameBytes = 253;  // RFC 1035 section 2.3.4, without the final dot
inline constexpr size_t kMaxLabelBytes = 63;

enum class NameProblem {
  kNone,
  kEmpty,
  kTooLong,         // the name or a label
  kAddressLiteral,  // dotted, decimal, octal, hex, short, IPv6, with a zone: whatever looks like it
  kCharacter,       // anything but letters, digits, hyphens and dots
  kLabel,           // an empty label, or a hyphen at the end of one
  kSingleLabel,     // resolvers have their own mind about names without a dot
};

// "has an empty label or one that begins or ends with a hyphen"; "" for kNone.
const char* NameProblemText(NameProblem problem);

// `text` in lower case, without the one final dot it may have, in `*name`; kNone. Whatever it says
// otherwise, `*name` is then untouched. A last label that begins with a digit makes the whole an
// address, as browsers and inet_aton read it: no top-level domain begins with one.
NameProblem NormalizeName(std::string_view text, std::string* name);

// Whether `pattern` is what a grant may hold: a normalised name, or `*.` before one.
bool IsDomainPattern(std::string_view pattern);

// `*.example.com` matches one label in front of example.com: neither example.com itself nor
// a.b.example.com. Both sides normalised.
bool MatchesDomain(std::string_view pattern, std::string_view name);
bool MatchesAnyDomain(const std::vector<std::string>& patterns, std::string_view name);

}  // namespace sandgate::egress
