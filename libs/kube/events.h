// Kubernetes Events about our objects, best effort: they never hold up or fail the work.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "libs/kube/api.h"

namespace sandgate::kube {

enum class EventType { kNormal, kWarning };

// Thread-safe. Events go out on a thread of its own through a queue of 1,000 (the oldest are
// dropped, and counted); a repeated one (same object, reason, message) within 10 minutes only
// raises its count; each object gets at most 25 in a burst, then one in 5 minutes.
class EventRecorder {
 public:
  EventRecorder(Api api, std::string component, std::string instance);
  ~EventRecorder();

  // `object`: anything with apiVersion, kind and metadata {namespace, name, uid}. `message` is cut
  // at 1,024 bytes; callers keep code and secrets out of it.
  void Record(const api::Json& object, EventType type, const std::string& reason,
              const std::string& message);

  // Events that nobody will see: the queue was full, the object too noisy, the API server said no.
  uint64_t dropped() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sandgate::kube
