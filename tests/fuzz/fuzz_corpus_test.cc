// Runs the committed corpus of one fuzz target as a plain test: what a fuzzer once found stays
// found, in every build.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/fuzz/fuzz_target.h"

namespace {

TEST(FuzzCorpus, HoldsEveryRule) {
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(SANDGATE_FUZZ_CORPUS)) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    SCOPED_TRACE(entry.path().string());
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
    ++files;
  }
  EXPECT_GE(files, 5u) << SANDGATE_FUZZ_CORPUS;
}

}  // namespace
