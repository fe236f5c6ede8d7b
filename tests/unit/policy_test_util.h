// One line of code, judged by the built-in policy.
#pragma once

#include "libs/policy/policy.h"

namespace sandgate::policy {

inline constexpr char kPy[] = "python";
inline constexpr char kJs[] = "javascript";
inline constexpr char kSh[] = "shell";

struct Line {
  const char* language;
  const char* code;
};

inline Assessment Judge(const Line& line) {
  Call call;
  call.tool = "code_execute";
  call.parameters = {{"language", line.language}, {"code", line.code}};
  return Policy::Default()->Assess(call);
}

}  // namespace sandgate::policy
