// One operator process's connection to the API server: the simulator says what becomes of each
// call, and how far each watch has come.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "tests/support/fake_transport.h"

namespace sandgate::crash {

// What becomes of one call. The process that has died makes no further one.
enum class Fate {
  kFine,
  kUnreachable,  // not carried out
  kServerError,  // not carried out: HTTP 500
  kLostAnswer,   // carried out
  kDieBefore,
  kDieAfter,  // carried out, and nobody hears of it
};

class OperatorLink final : public rest::Transport {
 public:
  using Judge = std::function<Fate(const testing::Call&)>;

  // `judge` is asked on the thread of the caller, for every call but lists and watches.
  OperatorLink(testing::FakeTransport& server, Judge judge)
      : server_(server), judge_(std::move(judge)) {}

  base::Result<rest::Response> Do(const rest::Request& request) override;
  base::Status Stream(const rest::Request& request, std::chrono::milliseconds idle,
                      std::stop_token stop,
                      const std::function<bool(std::string_view line)>& on_line,
                      rest::Response* response) override;

  // Lets the informer of `resource` list, and returns when it watches: one after the other, so that
  // a seed always gives the same order.
  void Open(const std::string& resource);
  // From now on lists are answered at once.
  void Opened();
  // Shows that watch what was written up to `revision`; returns when its handlers have run.
  void Deliver(const std::string& resource, int64_t revision);
  // How far it has come.
  int64_t Seen(const std::string& resource);

  void Die() { dead_ = true; }
  bool dead() const { return dead_; }

 private:
  struct Watch {
    int64_t seen = 0, target = 0;
  };

  testing::FakeTransport& server_;
  const Judge judge_;
  std::atomic<bool> dead_ = false;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::string opening_;                   // guarded by mutex_
  bool opened_ = false;                   // guarded by mutex_
  std::map<std::string, Watch> watches_;  // by resource; guarded by mutex_
};

}  // namespace sandgate::crash
