#include "libs/audit/record.h"

#include <algorithm>

#include "libs/base/ids.h"

namespace sandgate::audit {
namespace {

using api::Json;
using base::Code;
using base::Status;

constexpr size_t kHashDigits = 64;
constexpr size_t kChainDigits = 32;
constexpr std::string_view kHashMember = ",\"hash\":\"";
constexpr std::string_view kLineEnd = "\"}";
constexpr std::string_view kMark = "\"log\":\"audit\"";

bool IsHex(std::string_view text, size_t digits) {
  return text.size() == digits && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

// Sets *cut when it takes something away.
void Cut(Json* value, size_t text_bytes, bool* cut) {
  if (value->is_string()) {
    auto& text = value->get_ref<std::string&>();
    if (text.size() <= text_bytes) return;
    size_t end = text_bytes;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
    text.resize(end);
    *cut = true;
  } else if (value->is_array() && value->size() > kMaxListItems) {
    value->erase(value->begin() + kMaxListItems, value->end());
    *cut = true;
  }
  if (!value->is_structured()) return;
  for (Json& member : *value) Cut(&member, text_bytes, cut);
}

std::string Canonical(const Json& object) {
  return object.dump(-1, ' ', true, Json::error_handler_t::replace);
}

// Splits a line into its canonical bytes and the hash it names.
bool Split(std::string_view line, std::string* canonical, std::string* hash) {
  const size_t tail = kHashMember.size() + kHashDigits + kLineEnd.size();
  if (line.size() <= tail || line.size() > kMaxLineBytes) return false;
  const size_t at = line.size() - tail;
  if (line.substr(at, kHashMember.size()) != kHashMember || !line.ends_with(kLineEnd)) return false;
  *hash = line.substr(at + kHashMember.size(), kHashDigits);
  *canonical = std::string(line.substr(0, at)) + "}";
  return IsHex(*hash, kHashDigits);
}

}  // namespace

std::string FormatLine(const Position& last, const Record& record, base::Time time) {
  for (size_t text_bytes = kMaxTextBytes;; text_bytes /= 2) {
    Json object = record.fields.is_object() ? record.fields : Json::object();
    bool cut = false;
    Cut(&object, text_bytes, &cut);
    if (cut) object["cut"] = true;
    object["log"] = "audit";
    object["chain"] = last.chain;
    object["seq"] = last.seq + 1;
    object["time"] = base::FormatMicroTime(time);
    object["event"] = record.event;
    object["prev"] = last.hash;
    std::string line = Canonical(object);
    const std::string hash = base::Sha256Hex(line);
    line.pop_back();
    line.append(kHashMember).append(hash).append(kLineEnd);
    // With every text gone there is nothing left to cut; no record of ours has so many fields.
    if (line.size() <= kMaxLineBytes || text_bytes == 0) return line;
  }
}

base::Result<Line> ParseLine(std::string_view text) {
  Line line;
  std::string canonical;
  if (!Split(text, &canonical, &line.position.hash)) {
    return Status(Code::kInvalidArgument, "it does not end as a record does");
  }
  auto members = api::ParseJson(canonical);
  if (!members.ok()) return members.status();
  line.members = std::move(members).value();
  line.position.chain = api::StringOr(line.members, "chain");
  line.position.seq = api::IntOr(line.members, "seq");
  line.prev = api::StringOr(line.members, "prev");
  line.event = api::StringOr(line.members, "event");
  if (base::Sha256Hex(canonical) != line.position.hash) {
    return Status(Code::kConflict, "its hash is not that of its bytes");
  }
  if (api::StringOr(line.members, "log") != "audit" || line.position.seq < 1 ||
      !IsHex(line.position.chain, kChainDigits) || !IsHex(line.prev, kHashDigits) ||
      line.event.empty()) {
    return Status(Code::kInvalidArgument, "it lacks what every record has");
  }
  return line;
}

bool LooksLikeRecord(std::string_view line) {
  return line.starts_with('{') && line.find(kMark) != std::string_view::npos;
}

}  // namespace sandgate::audit
