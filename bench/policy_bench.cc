// Times one judgement of 64 KiB of code by the built-in policy: code in which nothing is dangerous,
// code that is made to cost the most, and both under rules of a deployment's own. One line of JSON.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "libs/policy/policy.h"

namespace sandgate::policy {
namespace {

constexpr size_t kCodeBytes = 64 * 1024;
constexpr int kRounds = 400;

std::string Filled(const std::string& piece) {
  std::string code;
  while (code.size() + piece.size() <= kCodeBytes) code += piece;
  return code;
}

struct Sample {
  const char* name;
  const char* language;
  std::string code;
};

std::vector<Sample> Samples() {
  return {
      {"plain Python", "python", Filled(R"(import os
from collections import defaultdict
import numpy as np

def load(path, *, strict=True):
    """Reads the rows of a CSV file and returns them by their first column."""
    rows = defaultdict(list)
    with open(os.path.join(os.getcwd(), path), encoding="utf-8") as source:
        for number, line in enumerate(source, start=1):
            fields = line.rstrip("\n").split(",")
            if strict and len(fields) < 2:
                raise ValueError(f"line {number}: expected at least two fields")
            rows[fields[0]].append([float(value) for value in fields[1:]])
    return {key: np.asarray(values).mean(axis=0) for key, values in rows.items()}

# The retrieval model was evaluated before; execution is described in the platform's manual.
print(sorted(load("data/sales.csv").items(), key=lambda item: item[1])[:10])

)")},
      {"plain JavaScript", "javascript", Filled(R"(const fs = require('node:fs');
/** Groups the records by one of their fields. */
function groupBy(records, field) {
  const groups = new Map();
  for (const record of records) {
    const key = record[field] ?? 'unknown';
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push({ ...record, seen: true });
  }
  return groups;
}
const records = JSON.parse(fs.readFileSync(process.argv[2] ?? '/workspace/data.json', 'utf8'));
for (const [key, group] of groupBy(records, 'product')) console.log(`${key}: ${group.length}`);

)")},
      {"plain shell", "shell", Filled(R"sh(set -eu
for file in /workspace/data/*.csv; do
  lines=$(wc -l < "$file")
  printf '%s has %d lines\n' "$(basename "$file")" "$lines"
  grep -c '^#' "$file" || true
  sort -t, -k2 -n "$file" | head -n 20 > "$file.top" && echo "done: $file"
done
[ -f /workspace/results.txt ] && cat /workspace/results.txt

)sh")},
      {"plain Python in Chinese", "python",
       Filled("# \xE8\xAF\xBB\xE5\x8F\x96\xE6\x95\xB0\xE6\x8D\xAE\xEF\xBC\x8C\xE8\xAE\xA1"
              "\xE7\xAE\x97\xE5\xB9\xB3\xE5\x9D\x87\xE5\x80\xBC\nvalue = total / count\n")},
      {"one dangerous line at the end", "python",
       Filled("total = total + values[index]\n").substr(0, kCodeBytes - 20) + "\neval(x)\n"},
      {"hostile: near misses of every word", "python",
       Filled("os.path system from os x.eval exec_ import_modules posixx getattr(o) ptyx rm "
              "- curl |")},
      {"hostile: eval( everywhere", "python", Filled("eval(")},
      {"hostile: every pattern", "python",
       Filled("rm -r -v x;curl a|b;os.system;from os import (a,\neval(exec(__import__ "
              "subprocess\n")},
      {"hostile: rm and no more", "shell", Filled("rm -r a -v b ")},
      {"hostile: downloads and no pipe", "shell", Filled("curl x |\\\n| wget y ")},
      {"hostile: open parentheses", "python", Filled("from os import ( system_ ")},
      {"hostile: white space after eval", "python", "eval" + std::string(kCodeBytes - 4, ' ')},
      {"hostile: comment after os", "python", "os" + Filled("#\n") + "system"},
      {"hostile: look-alikes that touch nothing", "python", Filled("\xE2\x84\xB9 ")},
      {"hostile: escapes", "javascript", Filled("\\u00e9\\u{e9}'vm_")},
      {"hostile: white space after every eval", "javascript", Filled("eval  /**/  ")},
  };
}

struct Times {
  double median;
  double worst95;
};

Times Measure(const Policy& policy, const Sample& sample) {
  const Call call{"code_execute", {{"language", sample.language}, {"code", sample.code}}, false};
  std::vector<double> micros;
  for (int i = 0; i < kRounds; ++i) {
    const auto began = std::chrono::steady_clock::now();
    const Assessment assessment = policy.Assess(call);
    const auto ended = std::chrono::steady_clock::now();
    if (assessment.reasons.empty()) return {-1, -1};
    micros.push_back(std::chrono::duration<double, std::micro>(ended - began).count());
  }
  std::sort(micros.begin(), micros.end());
  return {micros[micros.size() / 2], micros[micros.size() * 95 / 100]};
}

}  // namespace
}  // namespace sandgate::policy

int main() {
  using namespace sandgate::policy;  // NOLINT: one program, one namespace
  const auto own = Policy::Load(
      "security: {hitl: {rules: [{tools: [code_execute], risk: HIGH, conditions: [{param: code, "
      "matches: '(?i)crypto|bitcoin|mining'}], timeout: 30}]}}",
      "bench");
  if (!own.ok()) return 1;
  std::printf("[");
  const char* comma = "";
  for (const Sample& sample : Samples()) {
    const Times built_in = Measure(*Policy::Default(), sample);
    const Times with_own = Measure(**own, sample);
    std::printf(
        "%s\n {\"name\": \"%s\", \"bytes\": %zu, \"p50_us\": %.1f, \"p95_us\": %.1f, "
        "\"own_rule_p50_us\": %.1f}",
        comma, sample.name, sample.code.size(), built_in.median, built_in.worst95, with_own.median);
    comma = ",";
  }
  std::printf("\n]\n");
  return 0;
}
