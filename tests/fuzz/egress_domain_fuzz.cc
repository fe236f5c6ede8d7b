// What is normal is its own normal form; what a list lets in is a pattern of a grant.
#include "libs/egress/address.h"
#include "libs/egress/domain.h"
#include "libs/egress/domain_list.h"
#include "tests/fuzz/fuzz_target.h"

namespace sandgate::egress {
namespace {

void Try(const std::string& text) {
  std::string name;
  if (NormalizeName(text, &name) == NameProblem::kNone) {
    std::string again;
    FUZZ_CHECK(NormalizeName(name, &again) == NameProblem::kNone && again == name);
    FUZZ_CHECK(IsDomainPattern(name));
    FUZZ_CHECK(MatchesDomain(name, name) && !MatchesDomain("*." + name, name));
    FUZZ_CHECK(MatchesDomain("*." + name, "a." + name));
    FUZZ_CHECK(!MatchesDomain("*." + name, "a.b." + name));
    // No name is an address to anybody who reads addresses.
    FUZZ_CHECK(!IpAddress::Parse(name));
  }
  const auto entry = NormalizeDomainEntry(text);
  if (entry.ok()) {
    FUZZ_CHECK(IsDomainPattern(*entry));
    const auto again = NormalizeDomainEntry(*entry);
    FUZZ_CHECK(again.ok() && *again == *entry);
  }
  const auto cidr = Cidr::Parse(text);
  if (cidr.ok()) FUZZ_CHECK(cidr->Contains(cidr->base));
  const auto address = IpAddress::Parse(text);
  if (address) FUZZ_CHECK(IpAddress::Parse(address->ToString()) == address);
}

}  // namespace
}  // namespace sandgate::egress

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sandgate::egress::Try(std::string(FuzzText(data, size)));
  return 0;
}
