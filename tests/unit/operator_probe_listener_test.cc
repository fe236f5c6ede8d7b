// The operator's ear, with real sockets of the loopback: 127.0.0.1 is the operator, any other
// address of that network a sandbox's pod.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <thread>

#include "operator/probe_listener.h"

namespace sandgate::op {
namespace {

constexpr char kPod[] = "127.0.0.7", kOtherPod[] = "127.0.0.8";
constexpr std::chrono::seconds kLong{30};  // only a hang takes as long

uint16_t PortOf(const ProbeListener& listener) {
  const std::string& address = listener.address();
  return static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
}

sockaddr_in At(const char* ip, uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  inet_pton(AF_INET, ip, &address.sin_addr);
  return address;
}

// Connects from that address, and waits until the listener has closed the connection: then it has
// noted it. False: refused.
bool KnockFrom(const char* ip, uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in from = At(ip, 0), to = At("127.0.0.1", port);
  bool connected = bind(fd, reinterpret_cast<sockaddr*>(&from), sizeof from) == 0 &&
                   connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
  char byte = 0;
  if (connected) {
    EXPECT_LE(read(fd, &byte, 1), 0) << "nothing is ever said";
  }
  close(fd);
  return connected;
}

// Takes tickets for `ip` until one has heard our own connection.
Arrivals::Heard HeardSelf(ProbeListener* listener, const std::string& ip) {
  const auto end = std::chrono::steady_clock::now() + kLong;
  while (std::chrono::steady_clock::now() < end) {
    const uint64_t ticket = listener->Expect(ip);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    const Arrivals::Heard heard = listener->Take(ticket);
    if (heard.self) return heard;
  }
  return {};
}

std::unique_ptr<ProbeListener> Listening(const std::string& host = "127.0.0.1",
                                         const std::string& ip = "127.0.0.1") {
  auto started = ProbeListener::Start({host, 0}, ip);
  EXPECT_TRUE(started.ok()) << started.status().ToString();
  return std::move(started).value();
}

TEST(ProbeListenerTest, HearsWhoArrivesAndOnlyWhileItIsExpected) {
  const auto listener = Listening();
  const uint16_t port = PortOf(*listener);
  ASSERT_TRUE(KnockFrom(kPod, port));
  const uint64_t ticket = listener->Expect(kPod);
  const uint64_t other = listener->Expect(kOtherPod);
  EXPECT_FALSE(listener->Take(listener->Expect(kPod)).other) << "that was before";
  ASSERT_TRUE(KnockFrom(kPod, port));
  EXPECT_TRUE(listener->Take(ticket).other);
  EXPECT_FALSE(listener->Take(other).other) << "another pod's arrival is not this one's";
  EXPECT_FALSE(listener->Take(ticket).other) << "a ticket counts once";
}

TEST(ProbeListenerTest, HearsItselfAndThatIsNobodyElse) {
  const auto listener = Listening();
  EXPECT_TRUE(HeardSelf(listener.get(), kPod).self);
  EXPECT_FALSE(HeardSelf(listener.get(), kPod).other);
  // Another process of this very address is not the operator's own connection.
  EXPECT_FALSE(HeardSelf(listener.get(), "127.0.0.1").other);
}

TEST(ProbeListenerTest, AnAddressThatIsNotOursIsNotHeard) {
  // Nothing listens at that address: our own connection is refused, and nothing is claimed.
  const auto listener = Listening("127.0.0.1", "127.0.0.2");
  const uint64_t ticket = listener->Expect(kPod);
  ASSERT_TRUE(KnockFrom(kPod, PortOf(*listener)));
  const Arrivals::Heard heard = listener->Take(ticket);
  EXPECT_TRUE(heard.other);
  EXPECT_FALSE(heard.self);
}

TEST(ProbeListenerTest, HoldsAsManyTicketsAsItSays) {
  const auto listener = Listening();
  std::vector<uint64_t> tickets;
  for (size_t i = 0; i < kMaxExpected; ++i) tickets.push_back(listener->Expect(kPod));
  EXPECT_NE(tickets.back(), 0u);
  EXPECT_EQ(listener->Expect(kPod), 0u);
  EXPECT_FALSE(listener->Take(0).self);
  listener->Take(tickets.front());
  EXPECT_NE(listener->Expect(kPod), 0u);
}

TEST(ProbeListenerTest, ManyWhoArriveAreNotInTheWay) {
  const auto listener = Listening();
  const uint64_t ticket = listener->Expect(kOtherPod);
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(KnockFrom(kPod, PortOf(*listener)));
  EXPECT_FALSE(listener->Take(ticket).other);
  EXPECT_TRUE(HeardSelf(listener.get(), kOtherPod).self);
}

TEST(ProbeListenerTest, AnAddressIsTheSameInEachSpelling) {
  auto started = ProbeListener::Start({"::", 0}, "::1");
  if (!started.ok()) GTEST_SKIP() << "no IPv6 here: " << started.status().ToString();
  const auto listener = std::move(started).value();
  EXPECT_TRUE(listener->address().starts_with("[::1]:")) << listener->address();
  EXPECT_TRUE(HeardSelf(listener.get(), "fd00:0:0::1").self);
  // IPv4 on an IPv6 socket.
  const uint64_t ticket = listener->Expect(kPod);
  ASSERT_TRUE(KnockFrom(kPod, PortOf(*listener)));
  EXPECT_TRUE(listener->Take(ticket).other);
}

TEST(ProbeListenerTest, SaysWhatItCannotListenOn) {
  EXPECT_EQ(ProbeListener::Start({"127.0.0.1", 0}, "operator").status().message(),
            "\"operator\" is no IP address");
  EXPECT_EQ(ProbeListener::Start({"nowhere", 0}, "127.0.0.1").status().code(),
            base::Code::kInvalidArgument);
  const auto first = Listening();
  const auto second = ProbeListener::Start({"127.0.0.1", PortOf(*first)}, "127.0.0.1");
  EXPECT_EQ(second.status().code(), base::Code::kUnavailable);
  EXPECT_NE(second.status().message().find("in use"), std::string::npos);
}

}  // namespace
}  // namespace sandgate::op
