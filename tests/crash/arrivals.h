// Who reaches the operator's probe address, as the simulated network has it.
#pragma once

#include <map>
#include <string>

#include "operator/isolation_prober.h"

namespace sandgate::crash {

// Of the simulator's thread alone.
class SimArrivals final : public op::Arrivals {
 public:
  uint64_t Expect(const std::string& ip) override {
    expected_[++last_] = {ip, {true, false}};
    return last_;
  }
  Heard Take(uint64_t ticket) override {
    const auto found = expected_.find(ticket);
    if (found == expected_.end()) return {};
    const Heard heard = found->second.second;
    expected_.erase(found);
    return heard;
  }

  void Arrive(const std::string& ip) {
    for (auto& [ticket, expected] : expected_) expected.second.other |= expected.first == ip;
  }

 private:
  uint64_t last_ = 0;
  std::map<uint64_t, std::pair<std::string, Heard>> expected_;
};

}  // namespace sandgate::crash
