#include "operator/audit_command.h"

#include <fstream>

#include "libs/audit/verify.h"

namespace sandgate::op {
namespace {

constexpr char kAuditUsage[] =
    R"(usage: sandgate-operator audit verify FILE [OPTION]...

Checks that the records in FILE are those that were written, all of them, in their order.

  --expect-last HASH  the last record must have this hash: shows that nothing was cut off the end
  --contains HASH     a record with this hash must be there; may be repeated
  --after HASH        FILE goes on behind the record with this hash (a file that was rotated)
  --mixed             FILE is a saved log of a pod: skips other lines, takes several chains, each
                      from wherever it begins

Exit code 0: intact. 1: not intact; the first wrong line and what is wrong with it are written.
2: FILE or an option cannot be used.
)";

constexpr size_t kHashDigits = 64;

bool IsHash(const std::string& text) {
  return text.size() == kHashDigits &&
         text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

// "" or what is wrong.
std::string Parse(const std::vector<std::string>& arguments, std::string* path,
                  audit::VerifyOptions* options) {
  for (size_t i = 1; i < arguments.size(); ++i) {
    const std::string& name = arguments[i];
    if (name == "--mixed") {
      options->mixed = true;
    } else if (name == "--expect-last" || name == "--contains" || name == "--after") {
      const std::string value = i + 1 < arguments.size() ? arguments[++i] : "";
      if (!IsHash(value)) return name + " needs a hash: 64 hex digits in lower case";
      if (name == "--expect-last") options->expect_last = value;
      if (name == "--contains") options->contains.push_back(value);
      if (name == "--after") options->after = value;
    } else if (name.starts_with("--") || !path->empty()) {
      return "unknown argument " + name;
    } else {
      *path = name;
    }
  }
  return path->empty() ? "FILE is missing" : "";
}

}  // namespace

int AuditCommand(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err) {
  if (arguments.empty() || arguments[0] != "verify") {
    err << kAuditUsage;
    return 2;
  }
  std::string path;
  audit::VerifyOptions options;
  const std::string problem = Parse(arguments, &path, &options);
  if (!problem.empty()) {
    err << "sandgate-operator audit verify: " << problem << "\n\n" << kAuditUsage;
    return 2;
  }
  std::ifstream file(path, std::ios::binary);
  if (!file || file.peek() == std::ifstream::traits_type::eof()) {
    if (!file.is_open() || file.bad()) {
      err << path << ": cannot be read\n";
      return 2;
    }
    file.clear();
  }
  const audit::Verdict verdict = audit::Verify(file, options);
  if (verdict.fault != audit::Fault::kNone) {
    err << path << ":" << verdict.line << ": " << audit::FaultName(verdict.fault) << ": "
        << verdict.problem << "\n";
    return 1;
  }
  out << path << ": intact: " << verdict.records << " records";
  if (verdict.chains > 1) out << " in " << verdict.chains << " chains";
  out << "\nfirst: seq " << verdict.first.seq << " hash " << verdict.first.hash << "\nlast:  seq "
      << verdict.last.seq << " hash " << verdict.last.hash << "\n";
  if (verdict.torn > 0) out << verdict.torn << " torn by a crash, each reported by a record\n";
  if (verdict.skipped > 0) out << verdict.skipped << " other lines skipped\n";
  return 0;
}

}  // namespace sandgate::op
