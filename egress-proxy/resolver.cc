#include "egress-proxy/resolver.h"

#include <ares.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "egress-proxy/limits.h"
#include "libs/base/log.h"

namespace sandgate::egress {
namespace {

using base::Code;
using base::Result;
using base::Status;

// Two tries of this length for each server, and the caller's own deadline around all.
constexpr int kTryMilliseconds = 1'500;
constexpr int kTries = 2;
constexpr size_t kMaxPending = 10'000;  // lookups; more fail at once
constexpr int kMaxPollMilliseconds = 1'000;
constexpr int kDatagramBytes = 1232;  // what passes every path whole; more comes over TCP
constexpr char kDnsOnly[] = "b";

Reason ReasonOf(int status) {
  if (status == ARES_ENOTFOUND || status == ARES_ENODATA) return Reason::kNameNotFound;
  if (status == ARES_ETIMEOUT) return Reason::kResolverTimeout;
  return Reason::kResolver;
}

std::optional<IpAddress> FromSockaddr(const sockaddr* from) {
  IpAddress address;
  if (from->sa_family == AF_INET) {
    std::memcpy(address.bytes.data(), &reinterpret_cast<const sockaddr_in*>(from)->sin_addr, 4);
    return address;
  }
  if (from->sa_family != AF_INET6) return std::nullopt;
  address.v6 = true;
  std::memcpy(address.bytes.data(), &reinterpret_cast<const sockaddr_in6*>(from)->sin6_addr, 16);
  return address;
}

Resolved Collect(int status, const ares_addrinfo* info) {
  Resolved resolved;
  if (status != ARES_SUCCESS) {
    resolved.problem = ReasonOf(status);
    return resolved;
  }
  for (const ares_addrinfo_node* node = info->nodes; node != nullptr; node = node->ai_next) {
    const std::optional<IpAddress> address = FromSockaddr(node->ai_addr);
    if (!address) continue;
    const auto& known = resolved.addresses;
    if (std::find(known.begin(), known.end(), *address) != known.end()) continue;
    if (known.size() == kMaxAddresses) {
      resolved.problem = Reason::kTooManyAddresses;
      return resolved;
    }
    resolved.addresses.push_back(*address);
  }
  if (resolved.addresses.empty()) resolved.problem = Reason::kNameNotFound;
  return resolved;
}

class AresResolver : public Resolver {
 public:
  ~AresResolver() override;
  Status Open(const std::string& servers);
  void Resolve(const std::string& name, std::function<void(Resolved)> done) override;

 private:
  struct Lookup {
    AresResolver* resolver;
    std::string name;
    std::function<void(Resolved)> done;
  };

  static void OnSocket(void* self, ares_socket_t socket, int readable, int writable);
  static void OnAnswer(void* lookup, int status, int timeouts, ares_addrinfo* info);
  static Resolved Failed() { return Resolved{Reason::kResolver, {}}; }
  void Wake();
  void Run();
  void Begin(std::unique_ptr<Lookup> lookup);
  bool BeginNew();
  void Poll();

  ares_channel channel_ = nullptr;
  int wake_ = -1;
  std::thread thread_;
  std::map<ares_socket_t, short> sockets_;  // the thread's own
  size_t pending_ = 0;                      // the thread's own

  std::mutex mutex_;
  std::deque<std::unique_ptr<Lookup>> new_;  // guarded by mutex_
  bool stopping_ = false;                    // guarded by mutex_
};

Status AresResolver::Open(const std::string& servers) {
  wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_ < 0) return Status(Code::kUnavailable, "no descriptor for the resolver");
  ares_options options{};
  options.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_EDNS;
  options.ednspsz = kDatagramBytes;
  options.timeout = kTryMilliseconds;
  options.tries = kTries;
  char lookups[] = {kDnsOnly[0], '\0'};
  options.lookups = lookups;
  options.sock_state_cb = OnSocket;
  options.sock_state_cb_data = this;
  const int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
                   ARES_OPT_EDNSPSZ | ARES_OPT_SOCK_STATE_CB;
  int status = ares_init_options(&channel_, &options, mask);
  if (status == ARES_SUCCESS && !servers.empty()) {
    status = ares_set_servers_ports_csv(channel_, servers.c_str());
  }
  if (status != ARES_SUCCESS) {
    return Status(Code::kInvalidArgument,
                  std::string("DNS servers cannot be used: ") + ares_strerror(status));
  }
  thread_ = std::thread([this] { Run(); });
  return Status::Ok();
}

AresResolver::~AresResolver() {
  if (thread_.joinable()) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      stopping_ = true;
    }
    Wake();
    thread_.join();
  }
  if (channel_ != nullptr) ares_destroy(channel_);  // answers what is open
  for (const auto& lookup : new_) lookup->done(Failed());
  if (wake_ >= 0) close(wake_);
}

void AresResolver::Resolve(const std::string& name, std::function<void(Resolved)> done) {
  // The final dot: this name and no other, whatever resolv.conf says.
  auto lookup = std::make_unique<Lookup>(Lookup{this, name + ".", std::move(done)});
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (new_.size() < kMaxPending) new_.push_back(std::move(lookup));
  }
  if (lookup) return lookup->done(Failed());
  Wake();
}

void AresResolver::Wake() {
  const uint64_t one = 1;
  // A full counter wakes as well.
  [[maybe_unused]] const ssize_t ignored = write(wake_, &one, sizeof one);
}

void AresResolver::OnSocket(void* self, ares_socket_t socket, int readable, int writable) {
  auto& sockets = static_cast<AresResolver*>(self)->sockets_;
  const auto events =
      static_cast<short>((readable != 0 ? POLLIN : 0) | (writable != 0 ? POLLOUT : 0));
  if (events == 0) {
    sockets.erase(socket);
  } else {
    sockets[socket] = events;
  }
}

void AresResolver::OnAnswer(void* pointer, int status, int, ares_addrinfo* info) {
  const std::unique_ptr<Lookup> lookup(static_cast<Lookup*>(pointer));
  --lookup->resolver->pending_;
  lookup->done(Collect(status, info));
  if (info != nullptr) ares_freeaddrinfo(info);
}

void AresResolver::Begin(std::unique_ptr<Lookup> lookup) {
  if (pending_ >= kMaxPending) return lookup->done(Failed());
  ++pending_;
  ares_addrinfo_hints hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_flags = ARES_AI_NOSORT;  // sorting would open sockets to unchecked addresses
  const std::string name = lookup->name;
  ares_getaddrinfo(channel_, name.c_str(), nullptr, &hints, OnAnswer, lookup.release());
}

// False when the thread is to end.
bool AresResolver::BeginNew() {
  std::deque<std::unique_ptr<Lookup>> begun;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (stopping_) return false;
    begun.swap(new_);
  }
  for (auto& lookup : begun) Begin(std::move(lookup));
  return true;
}

void AresResolver::Poll() {
  std::vector<pollfd> fds = {{wake_, POLLIN, 0}};
  for (const auto& [socket, events] : sockets_) fds.push_back({socket, events, 0});
  timeval most{kMaxPollMilliseconds / 1'000, 0};
  timeval until{};
  const timeval* const wait = ares_timeout(channel_, &most, &until);
  const auto milliseconds = static_cast<int>(wait->tv_sec * 1'000 + (wait->tv_usec + 999) / 1'000);
  if (poll(fds.data(), fds.size(), milliseconds) <= 0) {
    ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);  // only its timeouts
    return;
  }
  uint64_t drained = 0;
  if (fds[0].revents != 0) {
    [[maybe_unused]] const ssize_t ignored = read(wake_, &drained, sizeof drained);
  }
  for (size_t i = 1; i < fds.size(); ++i) {
    const short events = fds[i].revents;
    if (events == 0) continue;
    ares_process_fd(channel_, (events & ~POLLOUT) != 0 ? fds[i].fd : ARES_SOCKET_BAD,
                    (events & POLLOUT) != 0 ? fds[i].fd : ARES_SOCKET_BAD);
  }
}

void AresResolver::Run() {
  while (BeginNew()) Poll();
}

}  // namespace

Result<std::unique_ptr<Resolver>> Resolver::Start(const std::string& servers) {
  static const int initialized = ares_library_init(ARES_LIB_INIT_ALL);
  if (initialized != ARES_SUCCESS) return Status(Code::kInternal, "c-ares does not start");
  auto resolver = std::make_unique<AresResolver>();
  const Status opened = resolver->Open(servers);
  if (!opened.ok()) return opened;
  return std::unique_ptr<Resolver>(std::move(resolver));
}

}  // namespace sandgate::egress
