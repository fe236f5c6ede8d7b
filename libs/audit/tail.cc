#include "libs/audit/tail.h"

#include "libs/base/ids.h"

namespace sandgate::audit {
namespace {

constexpr char kTornBytes[] = "tornBytes";
constexpr char kTornHash[] = "tornSha256";

bool IsThat(const Line& line, std::string_view damage) {
  return api::IntOr(line.members, kTornBytes, -1) == static_cast<int64_t>(damage.size()) &&
         api::StringOr(line.members, kTornHash) == base::Sha256Hex(damage);
}

}  // namespace

Tail ReadTail(std::string_view end) {
  const bool closed = end.empty() || end.ends_with('\n');
  const size_t last_line = end.rfind('\n') + 1;  // 0 when there is no newline
  if (const auto whole = ParseLine(end.substr(last_line)); whole.ok()) {
    return {whole->position, "", false};
  }
  size_t stop = end.size();  // behind the newline of the line that is looked at
  while (stop > 0) {
    const size_t newline = end.rfind('\n', stop - 1);
    if (newline == std::string_view::npos) break;
    const size_t before = newline == 0 ? std::string_view::npos : end.rfind('\n', newline - 1);
    const size_t start = before == std::string_view::npos ? 0 : before + 1;
    const auto line = ParseLine(end.substr(start, newline - start));
    if (line.ok()) return {line->position, std::string(end.substr(newline + 1)), closed};
    stop = start;
  }
  return {std::nullopt, std::string(end), closed};
}

Record GoOn(const Tail& tail, const api::Json& fields) {
  Record record;
  record.event = !tail.last ? kStartEvent : tail.damage.empty() ? kResumeEvent : kTornEvent;
  record.fields = fields;
  record.durable = true;
  if (!tail.damage.empty()) {
    record.fields[kTornBytes] = static_cast<int64_t>(tail.damage.size());
    record.fields[kTornHash] = base::Sha256Hex(tail.damage);
  }
  return record;
}

bool ReportsDamage(const Line& line) {
  return (line.event == kStartEvent || line.event == kTornEvent) &&
         line.members.contains(kTornHash);
}

bool Reports(const Line& line, std::string_view damage) {
  if (!ReportsDamage(line)) return false;
  if (IsThat(line, damage)) return true;
  return damage.ends_with('\n') && IsThat(line, damage.substr(0, damage.size() - 1));
}

}  // namespace sandgate::audit
