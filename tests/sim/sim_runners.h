// The runners in the simulated pods, behind http::Client: they start, finish, forget and die, and
// they keep count of every start.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "libs/api/runner_protocol.h"
#include "libs/http/client.h"
#include "tests/sim/sim_base.h"

namespace sandgate::sim {

// One pod's runner, as runner/run_table_logic.h has it: a run id runs at most once.
struct Runner {
  std::string sandbox_uid, boot_id;
  std::map<std::string, api::RunState> runs;
  std::set<std::string> known;  // deleted ones too
};

class SimRunners {
 public:
  // Called in the moment a run starts.
  using OnStart = std::function<void(const api::RunRequest& request, const std::string& run_id,
                                     const std::string& sandbox_uid)>;

  SimRunners(Chance& chance, OnStart on_start) : chance_(chance), on_start_(std::move(on_start)) {}

  void Boot(const std::string& ip, const std::string& sandbox_uid);
  void Kill(const std::string& ip) { runners_.erase(ip); }
  // Some run ends; false when none goes on.
  bool FinishOne();

  // What a request does, and what is answered; nullopt: a wait that is not over yet.
  std::optional<base::Result<http::Response>> Serve(const http::Endpoint& endpoint,
                                                    const http::Request& request,
                                                    const std::string& expected_uri);

 private:
  http::Response Post(Runner* runner, const std::string& run_id, const std::string& body);
  std::optional<http::Response> Get(const Runner& runner, const std::string& run_id, bool wait);

  Chance& chance_;
  const OnStart on_start_;
  std::map<std::string, Runner> runners_;  // by address
  int boots_ = 0;
};

// One operator's calls. Answers come when the world says so, or never; calls of a dead operator may
// still arrive.
class SimClient final : public http::Client {
 public:
  SimClient(SimRunners& runners, Chance& chance, const bool& faults)
      : runners_(runners), chance_(chance), faults_(faults) {}

  void Call(const http::Endpoint& endpoint, http::Request request, http::CallOptions options,
            Callback callback) override;
  base::Status ReloadTls(const http::TlsIdentity&, const std::string&) override {
    return base::Status::Ok();
  }
  // Carries one open call on; false when nothing moved.
  bool Step();

 private:
  struct Open {
    http::Endpoint endpoint;
    http::Request request;
    std::string expected_uri;
    Callback callback;
  };
  SimRunners& runners_;
  Chance& chance_;
  const bool& faults_;
  std::deque<Open> open_;
};

}  // namespace sandgate::sim
