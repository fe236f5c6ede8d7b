// Runs a table of patterns over code: each only where the words stand that it begins with, so that
// code in which nothing is dangerous costs one pass over its bytes.
#pragma once

#include <re2/re2.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "libs/policy/code_patterns.h"
#include "libs/policy/literal_scan.h"

namespace sandgate::policy {

// What stands before a match.
enum class Before {
  kAnything,
  kNoWord,     // no letter, digit or _
  kNoMember,   // nor . or $: obj.eval is another eval
  kPassed,     // = ( , [ : or `return`, then white space: the name itself is handed on
  kShellWord,  // the beginning of a word of the shell, quoted or not
};

struct CodePattern {
  unsigned languages;  // a bit each
  const char* name;    // findings of one name are one finding
  const char* words;   // every match begins with one of these; "": anywhere
  Before before;
  const char* regex;  // from the word on
  // Null: the pattern looks at little text, and is tried at each place of its words. Else it may
  // look far, and runs once over the rest of the text from the first of its words on where this
  // matches.
  const char* far_from;
  const char* needs;  // of these words one has to stand somewhere, too; "": none
};

// Immutable; share it between threads.
class CodeMatcher {
 public:
  CodeMatcher(std::span<const CodePattern> patterns, unsigned language);

  std::vector<CodeFinding> Find(const std::string& code) const;
  // Each pattern over all of the code, whatever words stand in it: slow, and what Find has to
  // agree with.
  std::vector<CodeFinding> FindByForce(const std::string& code) const;

 private:
  struct Compiled {
    const CodePattern* pattern;
    std::unique_ptr<re2::RE2> here;      // begins at the word
    std::unique_ptr<re2::RE2> anywhere;  // with what has to stand before it
    std::vector<size_t> words;           // indexes into the scan
    std::vector<size_t> needs;
  };

  std::vector<Compiled> patterns_;
  std::unique_ptr<LiteralScan> scan_;
};

}  // namespace sandgate::policy
