// The part of a session that reads the beginning of the tunnelled TLS connection.
#include "egress-proxy/client_hello.h"
#include "egress-proxy/session.h"
#include "libs/egress/domain.h"

namespace sandgate::egress {
namespace {

constexpr size_t kReadBytes = 4 * 1024;
constexpr size_t kServerReadBytes = 16 * 1024;

}  // namespace

Session::Step Session::ReadHello(bool after_retry) {
  interrupt_.Arm(kClientHelloTimeout, Reason::kHelloTooSlow);
  hello_.clear();
  HelloFramer framer(after_retry);
  std::optional<std::variant<HelloFramer::Done, Reason>> framed;
  while (!framed) {
    const size_t before = hello_.size();
    hello_.resize(before + kReadBytes);
    size_t bytes = 0;
    const TlsLeg::Got got = co_await near_.Read(hello_.data() + before, kReadBytes, &bytes);
    hello_.resize(before + bytes);
    if (got == TlsLeg::Got::kEnd)
      co_return hello_.empty() ? Reason::kReset : Reason::kHelloMalformed;
    if (got == TlsLeg::Got::kError) co_return Broken(Reason::kReset);
    framed = framer.Feed(hello_);
  }
  if (const auto* reason = std::get_if<Reason>(&*framed)) co_return *reason;
  const auto done = std::get<HelloFramer::Done>(*framed);
  auto read = ReadClientHello(std::string_view(hello_).substr(done.start, done.end - done.start));
  if (const auto* reason = std::get_if<Reason>(&read)) co_return *reason;
  std::string& sni = std::get<std::string>(read);
  if (!name_.empty()) {
    if (sni == name_) co_return std::nullopt;
    audit_.detail = "server name " + sni.substr(0, kMaxNameBytes);
    co_return Reason::kSniOther;
  }
  const std::optional<Reason> no = co_await NameFromHello(std::move(sni));
  co_return no;
}

// For clients that came without a proxy: the name of the ClientHello is the one that is asked for.
Session::Step Session::NameFromHello(std::string sni) {
  audit_.host = host_ = sni.substr(0, kMaxNameBytes);
  std::string name;
  const NameProblem problem = NormalizeName(sni, &name);
  if (problem == NameProblem::kAddressLiteral) co_return Reason::kAddressLiteral;
  if (problem != NameProblem::kNone || name != sni) co_return Reason::kBadName;
  name_ = name;
  const std::optional<Reason> no = co_await Reach(std::move(name));
  co_return no;
}

Session::Step Session::SendHello() {
  const std::chrono::duration<double> setup = Interrupt::Clock::now() - began_;
  shared_->metrics->ObserveSetup(setup.count());
  const std::optional<Reason> no = co_await GuardRetry();
  audit_.carried = no != Reason::kSecondHello;
  hello_.clear();
  hello_.shrink_to_fit();
  co_return no;
}

// A server may ask for a second ClientHello (RFC 8446 section 4.1.4), which stands in plain text
// and could name somebody else: it is read as the first one was.
Session::Step Session::GuardRetry() {
  for (bool retried = false;; retried = true) {
    audit_.bytes_up += hello_.size();
    lease_->run().Take(hello_.size());
    interrupt_.Arm(kServerHelloTimeout, Reason::kIdle);
    const bool sent = co_await far_->Write(hello_);
    if (!sent) co_return Broken(Reason::kReset);
    std::string answer;
    ServerAnswer judged = ServerAnswer::kUnknown;
    while (judged == ServerAnswer::kUnknown) {
      const size_t before = answer.size();
      answer.resize(before + kServerReadBytes);
      size_t bytes = 0;
      const PlainLeg::Got got = far_->TryRead(answer.data() + before, kServerReadBytes, &bytes);
      answer.resize(before + bytes);
      if (got == PlainLeg::Got::kEnd) break;
      if (got == PlainLeg::Got::kError) co_return Broken(Reason::kReset);
      if (got == PlainLeg::Got::kNothingYet) {
        const bool ready = co_await far_->WaitReadable();
        if (!ready) co_return Broken(Reason::kReset);
      }
      judged = JudgeServerAnswer(answer);
    }
    if (judged == ServerAnswer::kUnclear) co_return Reason::kSecondHello;
    audit_.bytes_down += answer.size();
    lease_->run().Take(answer.size());
    const bool passed = co_await near_.Write(answer);
    if (!passed) co_return Broken(Reason::kReset);
    if (judged != ServerAnswer::kRetry || retried) co_return std::nullopt;
    const std::optional<Reason> no = co_await ReadHello(true);
    if (no) {
      audit_.detail = ReasonName(*no);
      co_return Reason::kSecondHello;
    }
  }
}

}  // namespace sandgate::egress
