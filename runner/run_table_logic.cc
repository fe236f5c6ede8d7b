#include "runner/run_table_logic.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace sandgate::runner {
namespace {

bool ValidId(const std::string& id, size_t max_bytes) {
  if (id.empty() || id.size() > max_bytes) return false;
  return std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
  });
}

}  // namespace

PostAnswer RunTable::Post(const std::string& run_id, api::RunRequest request) {
  if (!ValidId(run_id, limits_.id_bytes)) return PostAnswer::kBadId;
  if (request.boot_id != boot_id_) return PostAnswer::kWrongBoot;
  if (runs_.contains(run_id)) return PostAnswer::kKnown;
  if (known_.contains(run_id)) return PostAnswer::kDeleted;
  if (known_.size() >= limits_.known_ids) return PostAnswer::kWornOut;
  if (queue_.size() >= limits_.queued) return PostAnswer::kQueueFull;
  // Room for the whole output is reserved now: no run is started whose result could not be kept.
  const size_t network =
      request.network ? request.network->grant.size() + request.network->ca_bundle.size() : 0;
  const auto given = static_cast<int64_t>(request.code.size() + request.content.size() + network);
  const int64_t reserved = given + 2 * request.output_bytes;
  if (kept_bytes_ + reserved > limits_.kept_bytes) return PostAnswer::kResultsFull;
  kept_bytes_ += reserved;
  known_.insert(run_id);
  queue_.push_back(run_id);
  Run run{std::move(request), {}, reserved};
  run.state.run_id = run_id;
  runs_.emplace(run_id, std::move(run));
  return PostAnswer::kCreated;
}

std::optional<RunTable::Started> RunTable::TakeNext() {
  if (running_ || queue_.empty()) return std::nullopt;
  running_ = queue_.front();
  queue_.pop_front();
  Run& run = runs_.at(*running_);
  run.state.started = true;
  return Started{*running_, std::exchange(run.request, {})};
}

void RunTable::Finish(const std::string& run_id, api::RunState state) {
  assert(running_ == run_id);
  running_.reset();
  state.run_id = run_id;
  state.finished = true;
  state.started = true;
  runs_.at(run_id).state = std::move(state);
}

CancelAnswer RunTable::Cancel(const std::string& run_id) {
  const auto run = runs_.find(run_id);
  if (run == runs_.end()) return CancelAnswer::kUnknown;
  if (run->second.state.finished) return CancelAnswer::kFinished;
  if (running_ == run_id) return CancelAnswer::kRunning;
  queue_.erase(std::find(queue_.begin(), queue_.end(), run_id));
  api::RunState& state = run->second.state;
  state.finished = true;
  state.outcome = api::RunOutcome::kCancelled;
  state.exit_code = -1;
  state.error_message = "the run was cancelled before it started";
  return CancelAnswer::kWasQueued;
}

DeleteAnswer RunTable::Delete(const std::string& run_id) {
  const auto run = runs_.find(run_id);
  if (run == runs_.end()) {
    return known_.contains(run_id) ? DeleteAnswer::kDeleted : DeleteAnswer::kUnknown;
  }
  if (!run->second.state.finished) return DeleteAnswer::kNotFinished;
  kept_bytes_ -= run->second.reserved_bytes;
  runs_.erase(run);
  return DeleteAnswer::kDeleted;
}

const api::RunState* RunTable::Find(const std::string& run_id) const {
  const auto run = runs_.find(run_id);
  return run == runs_.end() ? nullptr : &run->second.state;
}

}  // namespace sandgate::runner
