// Letters that Python reads as ASCII: it normalises identifiers (NFKC, PEP 3131), so that
// full-width and mathematical letters spell `eval` for the interpreter and for nobody's pattern.
#pragma once

#include <cstddef>
#include <string_view>

namespace sandgate::policy {

// Where the first word begins that mixes such letters into a name; npos: there is none. A lone sign
// (the emoji for information, an ordinal as in 1a as one sign) is no name. Linear; ASCII costs next
// to nothing.
size_t FindLookAlike(std::string_view code);

}  // namespace sandgate::policy
