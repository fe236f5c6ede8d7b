// Is this the chain as it was written? What is wrong, and on which line.
//
// What a chain cannot show: records cut off at its end (name the last hash you know: expect_last,
// contains), and a chain written anew from some record on by somebody who may write the whole file
// (hashes have no key: the same remedy, with the hashes kept where they cannot write).
#pragma once

#include <istream>
#include <string>
#include <vector>

#include "libs/audit/record.h"

namespace sandgate::audit {

struct VerifyOptions {
  bool mixed = false;       // a saved log of a pod: other lines, several chains, any beginning
  std::string expect_last;  // hash of the last record; "": not checked
  std::string after;        // hash of the record before the first, of a file that was rotated
  std::vector<std::string> contains;  // hashes of records that must be there
};

enum class Fault {
  kNone,
  kEdited,
  kDropped,
  kReordered,
  kDuplicated,
  kTorn,      // the last line is incomplete, and nothing reports it
  kSpliced,   // another chain goes on in the middle
  kEmpty,     // no record at all
  kNotThere,  // what was expected is missing: the end was cut, or it is another chain
};
const char* FaultName(Fault fault);  // "edited"

struct Verdict {
  Fault fault = Fault::kNone;
  size_t line = 0;  // from 1, of the first fault
  std::string problem;
  size_t records = 0, skipped = 0, torn = 0, chains = 0;
  Position first, last;
};

// Reads to the end, or to the first fault; `in` must be seekable for the difference between a
// dropped and a moved record. Memory is bounded whatever is in the file.
Verdict Verify(std::istream& in, const VerifyOptions& options);

}  // namespace sandgate::audit
