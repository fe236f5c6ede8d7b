#include "operator/probe_listener.h"

#include <netdb.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "libs/base/fd.h"

namespace sandgate::op {
namespace {

using base::Code;
using base::Result;
using base::Status;

constexpr int kBacklog = 128;
constexpr int kAcceptsPerTurn = 64;
constexpr std::chrono::milliseconds kPause{100};  // after no descriptor was left, or no connection
constexpr std::chrono::milliseconds kSelfPatience{1'000};

struct Peer {
  sockaddr_storage address{};
  socklen_t size = sizeof address;

  sockaddr* raw() { return reinterpret_cast<sockaddr*>(&address); }
};

struct Name {
  std::string ip, port;
};

std::optional<Peer> FromText(const std::string& ip, uint16_t port) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(ip.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) {
    return std::nullopt;
  }
  Peer peer;
  peer.size = found->ai_addrlen;
  std::memcpy(&peer.address, found->ai_addr, found->ai_addrlen);
  freeaddrinfo(found);
  return peer;
}

// One spelling for each address; IPv4 without the prefix that it has on an IPv6 socket.
Name ToText(Peer* peer) {
  std::array<char, NI_MAXHOST> host{};
  std::array<char, NI_MAXSERV> port{};
  getnameinfo(peer->raw(), peer->size, host.data(), host.size(), port.data(), port.size(),
              NI_NUMERICHOST | NI_NUMERICSERV);
  Name name{host.data(), port.data()};
  if (name.ip.starts_with("::ffff:") && name.ip.find('.') != std::string::npos) {
    name.ip.erase(0, std::strlen("::ffff:"));
  }
  return name;
}

Name LocalName(int descriptor) {
  Peer local;
  if (getsockname(descriptor, local.raw(), &local.size) != 0) return {};
  return ToText(&local);
}

Status Failed(const std::string& what) {
  return Status(Code::kUnavailable, what + ": " + std::strerror(errno));
}

}  // namespace

// The thread's own half.
class ProbeListener::Loop {
 public:
  // `ip` becomes the one spelling of it.
  Status Open(const http::Address& listen, std::string* ip, std::string* port);
  void Run(ProbeListener* owner);
  void Wake() {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t ignored = write(wake_.get(), &one, sizeof one);
  }
  void Stop() {
    stopping_ = true;
    Wake();
  }

 private:
  void Knock(ProbeListener* owner);
  // False: no descriptor is left.
  bool AcceptSome(ProbeListener* owner);

  base::Fd listen_, wake_;
  std::atomic<bool> stopping_{false};
  Peer target_;  // our own address, as sandboxes see it
  // Our own connection, while it is on its way.
  base::Fd self_;
  Name self_name_;
  uint64_t self_ticket_ = 0;
  std::chrono::steady_clock::time_point self_since_;
};

Status ProbeListener::Loop::Open(const http::Address& listen, std::string* ip, std::string* port) {
  auto address = FromText(listen.host, listen.port);
  auto self = FromText(*ip, 0);
  if (!address) return Status(Code::kInvalidArgument, listen.host + " is no IP address");
  if (!self) return Status(Code::kInvalidArgument, "\"" + *ip + "\" is no IP address");
  const int family = address->address.ss_family;
  listen_.Reset(socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int on = 1;
  if (!listen_.valid() ||
      setsockopt(listen_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      bind(listen_.get(), address->raw(), address->size) != 0 ||
      ::listen(listen_.get(), kBacklog) != 0) {
    return Failed("listening on " + listen.host + " port " + std::to_string(listen.port));
  }
  wake_.Reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake_.valid()) return Failed("eventfd");
  *port = LocalName(listen_.get()).port;
  *ip = ToText(&*self).ip;
  target_ = *FromText(*ip, static_cast<uint16_t>(std::stoi(*port)));
  return Status::Ok();
}

// Connects to ourselves where somebody wants to know that we are heard.
void ProbeListener::Loop::Knock(ProbeListener* owner) {
  const auto now = std::chrono::steady_clock::now();
  if (self_.valid() && now - self_since_ < kSelfPatience) return;
  self_.Reset();
  self_ticket_ = owner->SelfWanted();
  if (self_ticket_ == 0) return;
  self_since_ = now;
  self_.Reset(socket(target_.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!self_.valid()) return;
  if (connect(self_.get(), target_.raw(), target_.size) != 0 && errno != EINPROGRESS) {
    return self_.Reset();
  }
  self_name_ = LocalName(self_.get());
}

bool ProbeListener::Loop::AcceptSome(ProbeListener* owner) {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    Peer peer;
    const base::Fd arrived(
        accept4(listen_.get(), peer.raw(), &peer.size, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!arrived.valid()) return errno != EMFILE && errno != ENFILE && errno != ENOMEM;
    const Name name = ToText(&peer);
    if (self_.valid() && name.ip == self_name_.ip && name.port == self_name_.port) {
      owner->ArrivedSelf(self_ticket_);
      self_.Reset();
    } else {
      owner->Arrived(name.ip);
    }
  }
  return true;
}

void ProbeListener::Loop::Run(ProbeListener* owner) {
  bool pause = false;
  while (!stopping_) {
    std::array<pollfd, 3> fds{};
    fds[0] = {wake_.get(), POLLIN, 0};
    fds[1] = {pause ? -1 : listen_.get(), POLLIN, 0};
    fds[2] = {self_.get(), 0, 0};  // only whether it failed
    const bool waits = pause || self_.valid() || owner->SelfWanted() != 0;
    poll(fds.data(), fds.size(), waits ? static_cast<int>(kPause.count()) : -1);
    uint64_t ignored = 0;
    [[maybe_unused]] const ssize_t drained = read(wake_.get(), &ignored, sizeof ignored);
    pause = !AcceptSome(owner);
    if ((fds[2].revents & (POLLERR | POLLHUP)) != 0 && self_.get() == fds[2].fd) {
      self_.Reset();
      pause = true;
    }
    Knock(owner);
  }
}

Result<std::unique_ptr<ProbeListener>> ProbeListener::Start(const http::Address& listen,
                                                            const std::string& ip) {
  std::unique_ptr<ProbeListener> made(new ProbeListener);
  made->loop_ = std::make_unique<Loop>();
  std::string host = ip;
  std::string port;
  const Status opened = made->loop_->Open(listen, &host, &port);
  if (!opened.ok()) return opened;
  made->address_ = host.find(':') == std::string::npos ? host : "[" + host + "]";
  made->address_ += ":" + port;
  made->thread_ = std::thread([owner = made.get()] { owner->loop_->Run(owner); });
  return made;
}

ProbeListener::~ProbeListener() {
  if (!thread_.joinable()) return;
  loop_->Stop();
  thread_.join();
}

uint64_t ProbeListener::Expect(const std::string& ip) {
  auto peer = FromText(ip, 0);
  uint64_t ticket = 0;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!peer || expected_.size() >= kMaxExpected) return 0;
    ticket = ++last_ticket_;
    expected_[ticket] = {ToText(&*peer).ip, {}};
  }
  loop_->Wake();
  return ticket;
}

Arrivals::Heard ProbeListener::Take(uint64_t ticket) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = expected_.find(ticket);
  if (found == expected_.end()) return {};
  const Heard heard = found->second.heard;
  expected_.erase(found);
  return heard;
}

void ProbeListener::Arrived(const std::string& ip) {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (auto& [ticket, expected] : expected_) {
    if (expected.ip == ip) expected.heard.other = true;
  }
}

void ProbeListener::ArrivedSelf(uint64_t up_to) {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (auto& [ticket, expected] : expected_) {
    if (ticket <= up_to) expected.heard.self = true;
  }
}

uint64_t ProbeListener::SelfWanted() {
  const std::lock_guard<std::mutex> lock(mutex_);
  uint64_t newest = 0;
  for (const auto& [ticket, expected] : expected_) {
    if (!expected.heard.self) newest = ticket;
  }
  return newest;
}

}  // namespace sandgate::op
