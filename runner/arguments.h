// The command line: pairs of "--name value", each once.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "libs/base/status.h"

namespace sandgate::runner {

class Arguments {
 public:
  // kInvalidArgument names the argument that is unknown, given twice or without a value.
  static base::Result<Arguments> Parse(const std::vector<std::string>& words,
                                       const std::vector<std::string>& known);

  // kInvalidArgument if it is absent or empty.
  base::Result<std::string> Required(const std::string& name) const;
  std::string Or(const std::string& name, const std::string& fallback) const;
  // kInvalidArgument unless it is a whole number from `low` to `high`; `fallback` when absent.
  base::Result<int64_t> NumberOr(const std::string& name, int64_t fallback, int64_t low,
                                 int64_t high) const;

 private:
  std::map<std::string, std::string> values_;
};

}  // namespace sandgate::runner
