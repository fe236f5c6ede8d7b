#include "runner/supervision_logic.h"

#include <sys/wait.h>

#include <csignal>
#include <utility>

namespace sandgate::runner {
namespace {

constexpr int64_t kKilledExitCode = 128 + SIGKILL;

Verdict Exited(const Ending& ending) {
  if (ending.refused) return {api::RunOutcome::kRefused, -1, ending.message};
  if (WIFSIGNALED(ending.wait_status)) {
    return {api::RunOutcome::kExited, 128 + WTERMSIG(ending.wait_status), ""};
  }
  return {api::RunOutcome::kExited, WEXITSTATUS(ending.wait_status), ""};
}

}  // namespace

Supervision::Supervision(base::MonotonicTime start, std::chrono::milliseconds timeout,
                         std::chrono::milliseconds grace)
    : deadline_(start + timeout), grace_(grace) {}

std::optional<base::MonotonicTime> Supervision::NextDeadline() const {
  if (state_ == State::kKilled && !kill_due_) return std::nullopt;
  return deadline_;
}

Command Supervision::Step(base::MonotonicTime now) {
  if (state_ == State::kRunning && now >= deadline_) {
    reason_ = Reason::kTimeout;
    state_ = State::kTerminating;
    deadline_ = now + grace_;
    terminate_due_ = true;
  }
  if (std::exchange(terminate_due_, false)) return Command::kTerminate;
  if (state_ == State::kTerminating && now >= deadline_) {
    state_ = State::kKilled;
    kill_due_ = true;
  }
  if (std::exchange(kill_due_, false)) return Command::kKill;
  return Command::kNothing;
}

void Supervision::Cancel(base::MonotonicTime now) {
  if (state_ != State::kRunning) return;
  reason_ = Reason::kCancel;
  state_ = State::kTerminating;
  deadline_ = now + grace_;
  terminate_due_ = true;
}

void Supervision::EndForMemory(std::string message) {
  if (state_ == State::kKilled) return;
  // Within the grace of a timeout or a cancel the first reason stands; the kill comes now anyway.
  if (reason_ == Reason::kNone) {
    reason_ = Reason::kMemory;
    message_ = std::move(message);
  }
  state_ = State::kKilled;
  terminate_due_ = false;
  kill_due_ = true;
}

Verdict Supervision::Conclude(const std::optional<Ending>& ending) const {
  switch (reason_) {
    case Reason::kNone:
      if (ending) return Exited(*ending);
      return {api::RunOutcome::kExited, kKilledExitCode, "the run was killed from outside"};
    case Reason::kTimeout:
      return {api::RunOutcome::kTimedOut, -1, "the run did not end within its timeout"};
    case Reason::kCancel:
      return {api::RunOutcome::kCancelled, -1, "the run was cancelled"};
    case Reason::kMemory:
      return {api::RunOutcome::kMemoryExceeded, kKilledExitCode, message_};
  }
  return {};
}

}  // namespace sandgate::runner
