// What the proxy counts, in Prometheus' text format.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "libs/egress/protocol.h"

namespace sandgate::egress {

// Thread-safe. Labels are words of protocol.h, never a caller's own.
class Metrics {
 public:
  Metrics();
  ~Metrics();

  void CountOpened();
  // One connection ended, `carried` when it got as far as bytes both ways.
  void CountEnded(Reason reason, bool carried, uint64_t bytes_up, uint64_t bytes_down);
  // From the accepted connection to the first byte for the far side.
  void ObserveSetup(double seconds);
  void SetGrantKeys(size_t count);
  void CountReload(bool ok);

  std::string Text() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sandgate::egress
