// However the bytes arrive, they mean the same; and a hello that is let through names one server.
// The first byte says how large the pieces are, and whether it is a second hello.
#include "egress-proxy/client_hello.h"
#include "tests/fuzz/fuzz_target.h"

namespace sandgate::egress {
namespace {

using Framed = std::optional<std::variant<HelloFramer::Done, Reason>>;

Framed InPieces(std::string_view stream, size_t piece, bool after_retry) {
  HelloFramer framer(after_retry);
  Framed framed;
  for (size_t seen = 0; !framed && seen < stream.size();) {
    seen = std::min(stream.size(), seen + piece);
    framed = framer.Feed(stream.substr(0, seen));
  }
  return framed;
}

const HelloFramer::Done* DoneOf(const Framed& framed) {
  return framed ? std::get_if<HelloFramer::Done>(&*framed) : nullptr;
}

void Try(std::string_view stream, size_t piece, bool after_retry) {
  const Framed whole = InPieces(stream, stream.size() + 1, after_retry);
  const Framed pieces = InPieces(stream, piece, after_retry);
  const HelloFramer::Done* const done = DoneOf(whole);
  if (done == nullptr) return;
  // Pieces that end with the message and the whole at once agree.
  const HelloFramer::Done* const again = DoneOf(pieces);
  FUZZ_CHECK(again != nullptr && again->start == done->start && again->end == done->end);
  FUZZ_CHECK(done->start < done->end && done->end == stream.size());
  const auto read = ReadClientHello(stream.substr(done->start, done->end - done->start));
  if (const auto* name = std::get_if<std::string>(&read)) {
    FUZZ_CHECK(!name->empty());
    FUZZ_CHECK(stream.size() <= kMaxHelloStreamBytes + 16 * 1024);
  }
}

}  // namespace
}  // namespace sandgate::egress

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view stream = FuzzText(data + 1, size - 1);
  sandgate::egress::Try(stream, size_t{1} + (data[0] >> 1), (data[0] & 1) != 0);
  sandgate::egress::JudgeServerAnswer(stream);
  sandgate::egress::ReadClientHello(stream);  // as if framed: it must bear anything
  return 0;
}
