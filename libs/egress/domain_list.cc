#include "libs/egress/domain_list.h"

#include <idn2.h>
#include <libpsl.h>

#include <algorithm>
#include <memory>

#include "libs/egress/domain.h"

namespace sandgate::egress {
namespace {

using base::Code;
using base::Result;
using base::Status;

constexpr size_t kMaxEntryBytes = 1024;  // of UTF-8, before it becomes at most 253 characters
constexpr size_t kMaxShownBytes = 100;

Status Bad(const std::string& what) {
  return Status(Code::kInvalidArgument, what);
}

// The newer of the list in the library and the one that Debian's package keeps on disk.
const psl_ctx_t* PublicSuffixes() {
  static const psl_ctx_t* const list = psl_latest(nullptr);
  return list;
}

bool IsAscii(const std::string& text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

bool HasALabel(const std::string& name) {
  return name.starts_with("xn--") || name.find(".xn--") != std::string::npos;
}

// Plain names never see the IDNA tables: they know hyphens in places that real names have them in.
Result<std::string> ToAscii(const std::string& name) {
  if (IsAscii(name) && !HasALabel(name)) return name;
  char* out = nullptr;
  const int code = idn2_to_ascii_8z(name.c_str(), &out, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
  const std::unique_ptr<char, void (*)(void*)> owner(out, idn2_free);
  if (code != IDN2_OK)
    return Bad(std::string("is no valid international name: ") + idn2_strerror(code));
  return std::string(out);
}

// A-labels must be what their own Unicode form gives back: no second spelling of one name.
Status CheckALabels(const std::string& name) {
  if (!HasALabel(name)) return Status::Ok();
  char* unicode = nullptr;
  int code = idn2_to_unicode_8z8z(name.c_str(), &unicode, IDN2_NONTRANSITIONAL);
  const std::unique_ptr<char, void (*)(void*)> owner(unicode, idn2_free);
  if (code != IDN2_OK) return Bad(std::string("has a bad xn-- label: ") + idn2_strerror(code));
  const Result<std::string> again = ToAscii(unicode);
  if (!again.ok() || *again != name) return Bad("has an xn-- label that stands for another one");
  return Status::Ok();
}

Result<std::string> NormalizeBare(const std::string& text) {
  if (text.find('\0') != std::string::npos) return Bad("has a character that no domain name has");
  Result<std::string> ascii = ToAscii(text);
  if (!ascii.ok()) return ascii.status();
  std::string name;
  const NameProblem problem = NormalizeName(*ascii, &name);
  if (problem != NameProblem::kNone) return Bad(NameProblemText(problem));
  const Status labels = CheckALabels(name);
  if (!labels.ok()) return labels;
  return name;
}

std::string Shown(const std::string& entry) {
  const std::string cut = entry.substr(0, kMaxShownBytes);
  const bool plain =
      std::all_of(cut.begin(), cut.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
  return plain ? " \"" + cut + "\"" : "";
}

}  // namespace

Result<std::string> NormalizeDomainEntry(const std::string& entry) {
  if (entry.size() > kMaxEntryBytes) return Bad(NameProblemText(NameProblem::kTooLong));
  const bool wildcard = entry.starts_with("*.");
  const std::string bare = wildcard ? entry.substr(2) : entry;
  if (bare.find('*') != std::string::npos) {
    return Bad("may have \"*\" only as its whole first label, as in *.example.com");
  }
  Result<std::string> name = NormalizeBare(bare);
  if (!wildcard) return name;
  if (!name.ok()) {
    std::string normal;
    if (NormalizeName(bare, &normal) == NameProblem::kSingleLabel) {
      return Bad("is a wildcard over a public suffix, which is everybody's");
    }
    return name;
  }
  if (PublicSuffixes() == nullptr) return Bad("is a wildcard, and the public suffixes are unknown");
  if (psl_is_public_suffix2(PublicSuffixes(), name->c_str(), PSL_TYPE_ANY) != 0) {
    return Bad("is a wildcard over a public suffix, which is everybody's");
  }
  std::string pattern = "*." + *name;
  if (pattern.size() > kMaxNameBytes) return Bad(NameProblemText(NameProblem::kTooLong));
  return pattern;
}

Result<std::vector<std::string>> NormalizeDomainList(const std::vector<std::string>& entries) {
  std::vector<std::string> names;
  size_t bytes = 0;
  for (size_t i = 0; i < entries.size(); ++i) {
    const std::string where = "allowedDomains[" + std::to_string(i) + "]" + Shown(entries[i]);
    Result<std::string> name = NormalizeDomainEntry(entries[i]);
    if (!name.ok()) return Bad(where + " " + name.status().message());
    if (std::find(names.begin(), names.end(), *name) != names.end()) continue;
    bytes += name->size();
    if (names.size() == kMaxDomains) return Bad("allowedDomains has more than 64 names");
    if (bytes > kMaxDomainListBytes) {
      return Bad("allowedDomains has more than 4096 characters in all");
    }
    names.push_back(std::move(*name));
  }
  return names;
}

}  // namespace sandgate::egress
