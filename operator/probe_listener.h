// Listens at the operator's probe address and notes who arrives: an arrival from a sandbox's pod
// shows that its NetworkPolicies are not enforced. A thread and poll; whoever arrives is closed at
// once, and nothing is read.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "libs/base/status.h"
#include "libs/http/address.h"
#include "operator/isolation_prober.h"

namespace sandgate::op {

inline constexpr size_t kMaxExpected = 1024;  // tickets that are out

class ProbeListener final : public Arrivals {
 public:
  // `ip`: this pod's own, which sandboxes are told. kInvalidArgument: no IP literal; kUnavailable:
  // the address cannot be listened on.
  static base::Result<std::unique_ptr<ProbeListener>> Start(const http::Address& listen,
                                                            const std::string& ip);
  ~ProbeListener() override;

  uint64_t Expect(const std::string& ip) override;
  Heard Take(uint64_t ticket) override;

  // "10.244.0.9:8082"
  const std::string& address() const { return address_; }

 private:
  struct Expected {
    std::string ip;
    Heard heard;
  };
  class Loop;

  ProbeListener() = default;
  void Arrived(const std::string& ip);
  void ArrivedSelf(uint64_t up_to);
  // The newest ticket that still waits for our own connection; 0: none does.
  uint64_t SelfWanted();

  std::string address_;
  std::mutex mutex_;
  std::map<uint64_t, Expected> expected_;  // guarded by mutex_
  uint64_t last_ticket_ = 0;               // guarded by mutex_
  std::unique_ptr<Loop> loop_;
  std::thread thread_;
};

}  // namespace sandgate::op
