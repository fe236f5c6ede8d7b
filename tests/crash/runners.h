// The runners in the pods and the network to them. A runner's table is the real one; its runs end
// by the simulator's clock. A request lies in flight until the simulator delivers it, and one that
// a dead process has sent may still arrive.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "libs/http/client.h"
#include "runner/run_table_logic.h"
#include "tests/crash/manual_clock.h"

namespace sandgate::crash {

// Code that began to run.
struct Start {
  int64_t revision = 0;  // of the API server, at that moment
  size_t audited = 0;    // records in the audit log by then
  std::string run_id, code, sandbox_uid, pod_uid;
  std::optional<api::RunNetwork> network;
};

// Of the simulator's thread alone.
class Runners {
 public:
  using Random = std::mt19937_64;

  // Whether a connection out of that pod arrives.
  using Leaves = std::function<bool(const std::string& ip, const std::string& sandbox_uid)>;

  Runners(const ManualClock& clock, Random& random, std::function<int64_t()> revision,
          std::function<size_t()> audited, Leaves leaves)
      : clock_(clock),
        random_(random),
        revision_(std::move(revision)),
        audited_(std::move(audited)),
        leaves_(std::move(leaves)) {}

  // --- the kubelet's side ---

  void Boot(const std::string& ip, const std::string& pod_uid, const std::string& sandbox_uid);
  void Kill(const std::string& pod_uid);
  bool Has(const std::string& pod_uid) const;
  bool Taken(const std::string& ip) const { return runners_.contains(ip); }
  std::vector<std::string> Pods() const;
  // What ends by now ends, and what is next starts.
  void Tick();

  // --- the operator's side ---

  // `send` is asked before each call: false when the process died of it (nothing is sent then).
  std::unique_ptr<http::Client> NewClient(std::function<bool()> send);

  // --- the network ---

  // One flight, chosen at random, arrives, or gets lost if `faults`. False: none can arrive now.
  bool DeliverOne(bool faults);

  const std::vector<Start>& starts() const { return starts_; }

 private:
  class Client;
  struct Runner {
    std::string pod_uid, sandbox_uid;
    runner::RunTable table;
    base::Time ends;
    std::string run_id;  // "" while none runs
    api::RunState result;
  };
  struct Flight {
    const Client* sender = nullptr;
    std::string ip, expected_uri;
    http::Request request;
    http::Client::Callback callback;  // null: nobody waits for the answer any more
    base::Time waits_until;           // of a GET with ?wait
  };

  bool MustWait(const Flight& flight) const;
  base::Result<http::Response> Arrive(const Flight& flight);
  http::Response Serve(const std::string& ip, Runner& runner, const http::Request& request);
  http::Response Post(Runner& runner, const std::string& run_id, const std::string& body);
  void Advance(Runner& runner);
  void Orphan(const Client* sender);
  bool Chance(int percent) { return static_cast<int>(random_() % 100) < percent; }

  const ManualClock& clock_;
  Random& random_;
  const std::function<int64_t()> revision_;
  const std::function<size_t()> audited_;
  const Leaves leaves_;
  std::map<std::string, Runner> runners_;  // by IP
  std::deque<Flight> flights_;
  std::vector<Start> starts_;
  int boots_ = 0;
};

}  // namespace sandgate::crash
