// What is read as the record of an install is one that the API takes, whatever the text was; the
// operator would refuse the whole run for a package that it does not take.
#include "runner/install_report.h"
#include "tests/fuzz/fuzz_target.h"

namespace sandgate::runner {
namespace {

using Packages = std::vector<api::InstalledPackage>;

void Check(const base::Result<Packages>& read) {
  if (!read.ok()) {
    FUZZ_CHECK(!read.status().message().empty() && read.status().message().size() < 100);
    return;
  }
  for (const api::InstalledPackage& one : *read) {
    const auto again = api::PackagesFromJson(api::ToJson(Packages{one}));
    FUZZ_CHECK(again.ok() && again->front() == one);
  }
  FUZZ_CHECK(Added(*read, *read).empty());
  FUZZ_CHECK(Added({}, *read) == *read);
}

}  // namespace
}  // namespace sandgate::runner

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = FuzzText(data, size);
  sandgate::runner::Check(sandgate::runner::ReadPipReport(text));
  sandgate::runner::Check(sandgate::runner::ReadNpmLock(text));
  return 0;
}
