#include "operator/label_selector.h"

#include <algorithm>

namespace sandgate::op {
namespace {

constexpr size_t kMaxName = 63;
constexpr size_t kMaxPrefix = 253;

bool IsAlphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool IsWordByte(char c) {
  return IsAlphanumeric(c) || c == '-' || c == '_' || c == '.' || c == '/';
}

// The part of a key behind the slash, and a value that is not empty.
bool IsName(std::string_view text) {
  return !text.empty() && text.size() <= kMaxName && IsAlphanumeric(text.front()) &&
         IsAlphanumeric(text.back()) && text.find('/') == std::string_view::npos;
}

bool IsPrefix(std::string_view text) {
  const auto lower = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
  };
  return !text.empty() && text.size() <= kMaxPrefix && IsAlphanumeric(text.front()) &&
         IsAlphanumeric(text.back()) && std::all_of(text.begin(), text.end(), lower);
}

bool IsKey(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return IsName(text);
  return IsPrefix(text.substr(0, slash)) && IsName(text.substr(slash + 1));
}

}  // namespace

class LabelSelector::Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  base::Result<LabelSelector> Run() {
    LabelSelector selector;
    do {
      Term term;
      if (const std::string problem = ReadTerm(&term); !problem.empty()) return Fail(problem);
      selector.terms_.push_back(std::move(term));
      if (selector.terms_.size() > kMaxSelectorTerms) {
        return Fail("more than " + std::to_string(kMaxSelectorTerms) + " requirements");
      }
    } while (Take(","));
    SkipSpace();
    if (at_ < text_.size()) return Fail("expected a comma or the end");
    return selector;
  }

 private:
  base::Status Fail(const std::string& what) const {
    return base::Status(
        base::Code::kInvalidArgument,
        "at character " + std::to_string(std::min(at_, text_.size()) + 1) + ": " + what);
  }

  void SkipSpace() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }

  bool Take(std::string_view token) {
    SkipSpace();
    if (text_.substr(at_, token.size()) != token) return false;
    at_ += token.size();
    return true;
  }

  std::string Word() {
    SkipSpace();
    const size_t begin = at_;
    while (at_ < text_.size() && IsWordByte(text_[at_])) ++at_;
    return std::string(text_.substr(begin, at_ - begin));
  }

  std::string ReadKey(std::string* key) {
    *key = Word();
    if (key->empty()) return "expected a label's key, for example tier=gold";
    return IsKey(*key) ? "" : "\"" + *key + "\" is no label's key";
  }

  // May be empty, as a label's value may.
  std::string ReadValue(std::vector<std::string>* values) {
    std::string value = Word();
    if (!value.empty() && !IsName(value)) return "\"" + value + "\" is no label's value";
    values->push_back(std::move(value));
    return "";
  }

  std::string ReadSet(std::vector<std::string>* values) {
    if (!Take("(")) return "expected ( and values, for example tier in (gold, silver)";
    do {
      if (std::string problem = ReadValue(values); !problem.empty()) return problem;
      if (values->size() > kMaxSelectorValues) {
        return "more than " + std::to_string(kMaxSelectorValues) + " values";
      }
    } while (Take(","));
    return Take(")") ? "" : "expected a comma or )";
  }

  std::string ReadTerm(Term* term) {
    if (Take("!")) {
      term->kind = Kind::kAbsent;
      return ReadKey(&term->key);
    }
    if (std::string problem = ReadKey(&term->key); !problem.empty()) return problem;
    if (Take("!=")) {
      term->kind = Kind::kNotIn;
      return ReadValue(&term->values);
    }
    if (Take("==") || Take("=")) {
      term->kind = Kind::kIn;
      return ReadValue(&term->values);
    }
    const size_t before = at_;
    const std::string word = Word();
    if (word.empty()) return "";
    if (word == "in" || word == "notin") {
      term->kind = word == "in" ? Kind::kIn : Kind::kNotIn;
      return ReadSet(&term->values);
    }
    at_ = before;
    return "expected =, !=, in (...), notin (...) or a comma";
  }

  std::string_view text_;
  size_t at_ = 0;
};

base::Result<LabelSelector> LabelSelector::Parse(std::string_view text) {
  if (text.size() > kMaxSelectorBytes) {
    return base::Status(base::Code::kInvalidArgument,
                        "has more than " + std::to_string(kMaxSelectorBytes) + " bytes");
  }
  return Parser(text).Run();
}

bool LabelSelector::Matches(const Labels& labels) const {
  return std::all_of(terms_.begin(), terms_.end(), [&](const Term& term) {
    const auto found = labels.find(term.key);
    const bool listed = found != labels.end() && std::find(term.values.begin(), term.values.end(),
                                                           found->second) != term.values.end();
    switch (term.kind) {
      case Kind::kIn:
        return listed;
      case Kind::kNotIn:
        return !listed;
      case Kind::kExists:
        return found != labels.end();
      case Kind::kAbsent:
        return found == labels.end();
    }
    return false;
  });
}

}  // namespace sandgate::op
