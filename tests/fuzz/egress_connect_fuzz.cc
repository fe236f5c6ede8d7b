// A request that is let through has one meaning: its name is a name, and nothing of it is doubtful.
#include "egress-proxy/connect_request.h"
#include "libs/egress/domain.h"
#include "tests/fuzz/fuzz_target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sandgate::egress;
  const std::string_view text = FuzzText(data, size);
  const size_t end = HeadBytes(text);
  const std::string_view head = end == std::string_view::npos ? text : text.substr(0, end);
  const ConnectRequest request = ParseConnectRequest(head);
  FUZZ_CHECK(request.host.size() <= kMaxNameBytes);
  if (request.problem) return 0;
  FUZZ_CHECK(end != std::string_view::npos);
  FUZZ_CHECK(head.starts_with("CONNECT "));
  FUZZ_CHECK(head.find('\0') == std::string_view::npos);
  FUZZ_CHECK(request.by_sni == request.name.empty());
  if (!request.by_sni) FUZZ_CHECK(IsDomainPattern(request.name));
  FUZZ_CHECK(request.grant.find_first_of("\r\n") == std::string::npos);
  return 0;
}
