// Kubernetes' label selectors as text: "tier=gold,env!=prod,zone in (a, b),!legacy". Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "libs/base/status.h"

namespace sandgate::op {

using Labels = std::map<std::string, std::string>;

inline constexpr size_t kMaxSelectorBytes = 4096;
inline constexpr size_t kMaxSelectorTerms = 32;
inline constexpr size_t kMaxSelectorValues = 64;

class LabelSelector {
 public:
  // key=value, key==value, key!=value, key in (v, ...), key notin (v, ...), key, !key; separated by
  // commas, all of which must hold. As in Kubernetes, != and notin hold where the key is absent.
  // kInvalidArgument says where and what was expected. An empty text is refused: it would mean
  // every namespace, which nobody should write by leaving something out.
  static base::Result<LabelSelector> Parse(std::string_view text);

  bool Matches(const Labels& labels) const;

 private:
  enum class Kind { kIn, kNotIn, kExists, kAbsent };
  struct Term {
    Kind kind = Kind::kExists;
    std::string key;
    std::vector<std::string> values;
  };
  class Parser;

  std::vector<Term> terms_;
};

}  // namespace sandgate::op
