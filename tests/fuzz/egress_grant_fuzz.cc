// Two ways in: bytes as a token, which nobody has signed and which must never count; and bytes as a
// payload behind a signature that holds, which must be what we would have written ourselves.
#include "libs/egress/base64url.h"
#include "libs/egress/grant.h"
#include "libs/egress/grant_json.h"
#include "tests/fuzz/fuzz_target.h"

namespace sandgate::egress {
namespace {

// A test key that opens nothing.
constexpr char kPublicKey[] =
    "-----BEGIN PUBLIC KEY-----\n"
    "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n"
    "-----END PUBLIC KEY-----\n";

void Try(std::string_view text) {
  static const GrantVerifier verifier = GrantVerifier::Create({kPublicKey}).value();
  const base::Time now(std::chrono::seconds(1'800'000'000));
  FUZZ_CHECK(std::holds_alternative<Reason>(verifier.Verify(text, now)));
  const std::optional<Grant> grant = GrantFromJson(text);
  if (grant) {
    FUZZ_CHECK(CheckGrant(*grant).ok());
    FUZZ_CHECK(GrantToJson(*grant) == text);
  }
  const std::optional<std::string> bytes = Base64UrlDecode(text);
  if (bytes) FUZZ_CHECK(Base64UrlEncode(*bytes) == text);
}

}  // namespace
}  // namespace sandgate::egress

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sandgate::egress::Try(FuzzText(data, size));
  return 0;
}
