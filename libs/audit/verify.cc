#include "libs/audit/verify.h"

#include <map>
#include <optional>
#include <set>

#include "libs/audit/log.h"
#include "libs/audit/tail.h"

namespace sandgate::audit {
namespace {

constexpr size_t kMaxChains = 1'000;

// One line, its newline apart; longer ones are cut, and are no records then.
struct RawLine {
  std::string text;
  bool complete = false;  // a newline ended it
};

bool Read(std::istream& in, RawLine* line) {
  line->text.clear();
  line->complete = false;
  for (int c = in.get(); c != std::istream::traits_type::eof(); c = in.get()) {
    if (c == '\n') {
      line->complete = true;
      return true;
    }
    if (line->text.size() <= kTailBytes) line->text.push_back(static_cast<char>(c));
  }
  return !line->text.empty();
}

class Checker {
 public:
  Checker(std::istream& in, const VerifyOptions& options)
      : in_(in), options_(options), missing_(options.contains.begin(), options.contains.end()) {}

  Verdict Run() {
    RawLine raw;
    while (verdict_.fault == Fault::kNone && Read(in_, &raw)) {
      ++line_;
      Take(raw);
    }
    if (verdict_.fault == Fault::kNone) AtEnd();
    return verdict_;
  }

 private:
  void Fail(Fault fault, size_t line, const std::string& problem) {
    if (verdict_.fault != Fault::kNone) return;
    verdict_.fault = fault;
    verdict_.line = line;
    verdict_.problem = problem;
  }

  void Take(const RawLine& raw) {
    const auto line = ParseLine(raw.text);
    if (options_.mixed && !line.ok() && !LooksLikeRecord(raw.text)) {
      ++verdict_.skipped;
    } else if (!line.ok() || !raw.complete) {
      Damaged(raw, line.status());
    } else {
      TakeRecord(*line);
    }
  }

  // It may be what a crash left, if the next record says so.
  void Damaged(const RawLine& raw, const base::Status& why) {
    if (damage_.empty()) {
      damage_line_ = line_;
      damage_why_ = why.ok() ? "its newline is missing" : why.message();
    }
    damage_ += raw.text;
    if (raw.complete) damage_.push_back('\n');
    damage_complete_ = raw.complete;
    const bool reportable = !options_.mixed && damage_.size() <= kTailBytes;
    if (raw.complete && !reportable) Fail(Fault::kEdited, damage_line_, damage_why_);
  }

  void TakeRecord(const Line& line) {
    if (!damage_.empty()) {
      if (!Reports(line, damage_)) return Fail(Fault::kEdited, damage_line_, damage_why_);
      ++verdict_.torn;
      damage_.clear();
    } else if (!options_.mixed && ReportsDamage(line)) {
      return Fail(Fault::kDropped, line_, "the torn line that this record reports is not there");
    }
    std::optional<Position>& last = LastOf(line.position.chain);
    if (verdict_.fault != Fault::kNone) return;
    Follows(line, last);
    if (verdict_.fault != Fault::kNone) return;
    last = line.position;
    if (verdict_.records++ == 0) verdict_.first = line.position;
    verdict_.last = line.position;
    missing_.erase(line.position.hash);
  }

  // Where that chain stands; in a file of one chain, where the file does.
  std::optional<Position>& LastOf(const std::string& chain) {
    const std::string key = options_.mixed ? chain : "";
    if (!chains_.contains(key) && chains_.size() >= kMaxChains) {
      Fail(Fault::kSpliced, line_, "more than " + std::to_string(kMaxChains) + " chains");
    }
    return chains_[key];
  }

  void Follows(const Line& line, const std::optional<Position>& last) {
    const Position& here = line.position;
    if (!last) return Begins(line);
    if (here.chain != last->chain) {
      return Fail(Fault::kSpliced, line_, "another chain begins: " + here.chain);
    }
    if (here.seq == last->seq + 1) {
      if (line.prev == last->hash) return;
      return Fail(Fault::kEdited, line_ - 1, "the record after it follows another one");
    }
    if (here.seq > last->seq) {
      const std::string gap = Gap(last->seq + 1, here.seq - 1);
      if (Elsewhere(here.chain, last->seq + 1, "")) {
        return Fail(Fault::kReordered, line_, gap + ": elsewhere in the file");
      }
      return Fail(Fault::kDropped, line_, gap + ": missing before it");
    }
    const std::string record = "record " + std::to_string(here.seq);
    if (Elsewhere(here.chain, here.seq, here.hash)) {
      return Fail(Fault::kDuplicated, line_, record + " stands twice");
    }
    Fail(Fault::kReordered, line_, record + " stands behind " + std::to_string(last->seq));
  }

  void Begins(const Line& line) {
    const Position nothing;
    if (options_.mixed) return;
    if (!options_.after.empty()) {
      if (line.prev == options_.after) return;
      return Fail(Fault::kDropped, line_, "it does not follow the record that was named");
    }
    if (line.position.seq == 1 && line.prev == nothing.hash && line.event == kStartEvent) return;
    if (Elsewhere(line.position.chain, 1, "")) {
      return Fail(Fault::kReordered, line_, "the chain's first record stands elsewhere");
    }
    Fail(Fault::kDropped, line_,
         Gap(1, line.position.seq - 1) + ": missing, so the chain's beginning is not there");
  }

  static std::string Gap(int64_t from, int64_t to) {
    if (from == to) return "record " + std::to_string(from);
    return "records " + std::to_string(from) + " to " + std::to_string(to);
  }

  // Whether a line other than this one is that record. Used once: the search ends the check.
  bool Elsewhere(const std::string& chain, int64_t seq, const std::string& hash) {
    in_.clear();
    in_.seekg(0);
    RawLine raw;
    for (size_t at = 1; Read(in_, &raw); ++at) {
      if (at == line_) continue;
      const auto line = ParseLine(raw.text);
      if (line.ok() && line->position.chain == chain && line->position.seq == seq &&
          (hash.empty() || line->position.hash == hash)) {
        return true;
      }
    }
    return false;
  }

  void AtEnd() {
    verdict_.chains = chains_.size();
    if (!damage_.empty()) {
      const bool torn = damage_line_ == line_ && !damage_complete_;
      return Fail(torn ? Fault::kTorn : Fault::kEdited, damage_line_, damage_why_);
    }
    if (verdict_.records == 0) return Fail(Fault::kEmpty, line_, "no audit record");
    if (!options_.expect_last.empty() && verdict_.last.hash != options_.expect_last) {
      return Fail(Fault::kNotThere, line_, "the last record is not the one that was named");
    }
    if (!missing_.empty()) {
      Fail(Fault::kNotThere, line_, "there is no record with the hash " + *missing_.begin());
    }
  }

  std::istream& in_;
  const VerifyOptions& options_;
  std::set<std::string> missing_;
  Verdict verdict_;
  size_t line_ = 0;
  std::map<std::string, std::optional<Position>> chains_;
  std::string damage_, damage_why_;
  size_t damage_line_ = 0;
  bool damage_complete_ = false;
};

}  // namespace

const char* FaultName(Fault fault) {
  switch (fault) {
    case Fault::kNone:
      return "none";
    case Fault::kEdited:
      return "edited";
    case Fault::kDropped:
      return "dropped";
    case Fault::kReordered:
      return "reordered";
    case Fault::kDuplicated:
      return "duplicated";
    case Fault::kTorn:
      return "torn";
    case Fault::kSpliced:
      return "spliced";
    case Fault::kEmpty:
      return "empty";
    case Fault::kNotThere:
      return "not there";
  }
  return "unknown";
}

Verdict Verify(std::istream& in, const VerifyOptions& options) {
  return Checker(in, options).Run();
}

}  // namespace sandgate::audit
