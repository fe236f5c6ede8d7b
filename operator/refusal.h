// Why an Execution ends before it began: the code and message of its error.
#pragma once

#include <string>

namespace sandgate::op {

struct Refusal {
  const char* code;
  std::string message;
};

}  // namespace sandgate::op
