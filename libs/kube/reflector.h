// List and watch one kind, for ever: the I/O around the pure WatchState (watch_state.h).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "libs/kube/api.h"

namespace sandgate::kube {

struct ReflectorOptions {
  Resource resource;
  std::string ns;  // "" = all namespaces
  std::string label_selector;
  std::string field_selector;
};

// All run on the reflector's own thread, one at a time.
struct ReflectorCallbacks {
  std::function<void(std::vector<api::Json>)> replace;  // a complete list
  std::function<void(api::Json)> upsert;                // ADDED or MODIFIED
  std::function<void(api::Json)> remove;                // DELETED; the last state seen
};

// Pages through a list, then watches from its resourceVersion with bookmarks; resumes after a
// broken stream; lists anew after 410 (as an HTTP status or as an ERROR event); ends a stream that
// has been silent for too long; backs off with jitter between failures (0.2 s to 30 s).
class Reflector {
 public:
  Reflector(Api api, ReflectorOptions options, ReflectorCallbacks callbacks);
  ~Reflector();
  Reflector(const Reflector&) = delete;
  Reflector& operator=(const Reflector&) = delete;

  void Start();
  void Stop();  // returns when the thread has ended; idempotent
  bool HasSynced() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sandgate::kube
