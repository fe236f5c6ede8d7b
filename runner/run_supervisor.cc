#include "runner/run_supervisor.h"

#include <malloc.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>

#include "libs/base/clock.h"
#include "libs/base/log.h"
#include "runner/child_wait.h"
#include "runner/file_answer.h"
#include "runner/output_buffer.h"
#include "runner/relay.h"
#include "runner/request_spec.h"
#include "runner/supervision_logic.h"

namespace sandgate::runner {
namespace {

using std::chrono::milliseconds;

// A run can grow by more than a gigabyte a second, and the pod has little to spare.
constexpr milliseconds kHotInterval{10};
constexpr milliseconds kCalmInterval{25};
// What is read of one stream before the deadline and the memory are looked at again.
constexpr size_t kReadsPerTurn = 8;
constexpr size_t kReadBytes = 32 * 1024;
// How long the death of a killed run's processes may take. It takes 12 ms.
constexpr milliseconds kDeathDeadline{30'000};

api::RunState Refused(const base::Status& status) {
  api::RunState state;
  state.finished = state.started = true;
  state.outcome = api::RunOutcome::kRefused;
  state.exit_code = -1;
  state.error_message = status.message();
  return state;
}

// Nothing more goes out, whatever is still dying in the run's namespaces.
void CloseNetwork(std::unique_ptr<Relay> relay) {
  const RelayCounts counts = relay->Stop();
  base::LogInfo("run's network closed", {{"connections", counts.accepted},
                                         {"carried", counts.carried},
                                         {"refused", counts.refused},
                                         {"bytesUp", counts.bytes_up},
                                         {"bytesDown", counts.bytes_down}});
  relay.reset();
  malloc_trim(0);  // a thousand connections' memory is the sandbox's again
}

// What one run needs while it runs.
class Session {
 public:
  // `answers`: its second stream is a file operation's answer.
  Session(RunProcess process, pid_t stage, const api::RunRequest& request, bool answers,
          MemoryProbe& probe, const MemorySample& start, Relay* relay, int wake,
          const std::atomic<bool>& cancel)
      : process_(std::move(process)),
        relay_(relay),
        stage_(stage),
        probe_(probe),
        wake_(wake),
        cancel_(cancel),
        start_(base::RealClock().MonotonicNow()),
        supervision_(start_, milliseconds(request.timeout_millis),
                     milliseconds(request.grace_millis)),
        memory_(request.memory_bytes, start),
        out_(static_cast<size_t>(request.output_bytes)),
        err_(static_cast<size_t>(answers ? kMaxFileAnswerBytes : request.output_bytes)),
        next_sample_(start_) {}

  // Until the init is gone or never came.
  void Loop();
  // After Loop: waits until every process of the run is gone, then takes what is left to read.
  base::Result<api::RunState> End();

 private:
  void Turn();
  int WaitMillis(base::MonotonicTime now) const;
  bool Drain(base::Fd& fd, OutputBuffer& buffer);
  void OpenNetwork();
  void ReadStatus();
  void Handle(const StatusRecord& record);
  void LookAtMemory(base::MonotonicTime now);
  void Do(Command command);

  RunProcess process_;
  Relay* const relay_;  // of a run with network
  pid_t stage_;
  MemoryProbe& probe_;
  int wake_;
  const std::atomic<bool>& cancel_;
  base::MonotonicTime start_;
  Supervision supervision_;
  MemoryWatch memory_;
  OutputBuffer out_, err_;
  base::MonotonicTime next_sample_;
  pid_t init_ = -1;
  bool kill_on_arrival_ = false;
  std::optional<Ending> ending_;
};

void Session::Loop() {
  while (process_.status.valid()) Turn();
}

int Session::WaitMillis(base::MonotonicTime now) const {
  base::MonotonicTime until = next_sample_;
  if (const auto deadline = supervision_.NextDeadline()) until = std::min(until, *deadline);
  const auto wait = std::chrono::ceil<milliseconds>(until - now).count();
  return static_cast<int>(std::clamp<int64_t>(wait, 0, 1000));
}

void Session::Turn() {
  std::array<pollfd, 5> fds = {{{process_.status.get(), POLLIN, 0},
                                {process_.out.get(), POLLIN, 0},
                                {process_.err.get(), POLLIN, 0},
                                {wake_, POLLIN, 0},
                                {process_.network.get(), POLLIN, 0}}};
  if (poll(fds.data(), fds.size(), WaitMillis(base::RealClock().MonotonicNow())) < 0) return;
  if (fds[1].revents != 0 && Drain(process_.out, out_)) process_.out.Reset();
  if (fds[2].revents != 0 && Drain(process_.err, err_)) process_.err.Reset();
  if (fds[4].revents != 0) OpenNetwork();
  if (fds[0].revents != 0) ReadStatus();
  if (!process_.status.valid()) return;
  const base::MonotonicTime now = base::RealClock().MonotonicNow();
  if (fds[3].revents != 0) {
    uint64_t count = 0;
    if (read(wake_, &count, sizeof count) < 0 && errno != EAGAIN) return;
  }
  if (cancel_) supervision_.Cancel(now);
  if (now >= next_sample_) LookAtMemory(now);
  Do(supervision_.Step(now));
}

// True at the stream's end.
bool Session::Drain(base::Fd& fd, OutputBuffer& buffer) {
  char bytes[kReadBytes];
  for (size_t i = 0; i < kReadsPerTurn; ++i) {
    const ssize_t got = read(fd.get(), bytes, sizeof bytes);
    if (got == 0) return true;
    if (got < 0) return errno != EAGAIN && errno != EINTR;
    buffer.Append({bytes, static_cast<size_t>(got)});
  }
  return false;
}

// Until the relay accepts, connections wait; what the init failed to offer, it refuses itself.
void Session::OpenNetwork() {
  std::optional<Listeners> listeners = TakeListeners(process_.network);
  process_.network.Reset();
  if (listeners) relay_->Serve(*std::move(listeners));
}

void Session::ReadStatus() {
  for (;;) {
    StatusRecord record;
    const ssize_t got = read(process_.status.get(), &record, sizeof record);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got != static_cast<ssize_t>(sizeof record)) {
      process_.status.Reset();
      return;
    }
    Handle(record);
  }
}

void Session::Handle(const StatusRecord& record) {
  switch (record.kind) {
    case StatusKind::kInit:
      init_ = record.value;
      if (kill_on_arrival_) kill(init_, SIGKILL);
      break;
    case StatusKind::kStarted:
      break;
    case StatusKind::kRefused:
      // The first step that failed is the reason; what follows from it is not.
      if (!ending_) {
        ending_ =
            Ending{true, 0,
                   "cannot " + std::string(record.text, strnlen(record.text, sizeof record.text)) +
                       ": " + std::strerror(record.value)};
      }
      break;
    case StatusKind::kExited:
      if (!ending_) ending_ = Ending{false, record.value, ""};
      break;
  }
}

void Session::LookAtMemory(base::MonotonicTime now) {
  const auto held = static_cast<int64_t>(out_.size() + err_.size());
  if (auto reason = memory_.Update(probe_.Sample(init_), held)) {
    supervision_.EndForMemory(*std::move(reason));
  }
  next_sample_ = now + (memory_.hot() ? kHotInterval : kCalmInterval);
}

void Session::Do(Command command) {
  switch (command) {
    case Command::kNothing:
      break;
    case Command::kTerminate:
      // If the init is not there to read it, the kill after the grace needs no help of its own.
      if (write(process_.control.get(), &kTerminateByte, 1) < 0 && errno == EAGAIN) break;
      break;
    case Command::kKill:
      if (init_ > 0) {
        kill(init_, SIGKILL);
      } else {
        kill_on_arrival_ = true;
        process_.control.Reset();
      }
      break;
  }
}

base::Result<api::RunState> Session::End() {
  if (init_ > 0) kill(init_, SIGKILL);  // not reaped yet, so the pid is its own
  if ((init_ > 0 && !WaitForChild(init_, kDeathDeadline)) ||
      !WaitUntilAlone(stage_, kDeathDeadline)) {
    return base::Status(base::Code::kInternal, "processes of a run did not die");
  }
  // All writers are dead: what they wrote is in the pipes. A pipe may still have no end, where a
  // descriptor was lost in a cycle of messages, so an empty one is the end as well.
  const auto finish = [this](base::Fd& fd, OutputBuffer& buffer) {
    pollfd one = {fd.get(), POLLIN, 0};
    while (fd.valid() && poll(&one, 1, 0) > 0) {
      if (Drain(fd, buffer)) return;
    }
  };
  finish(process_.out, out_);
  finish(process_.err, err_);
  const Verdict verdict = supervision_.Conclude(ending_);
  api::RunState state;
  state.finished = state.started = true;
  state.outcome = verdict.outcome;
  state.exit_code = verdict.exit_code;
  state.error_message = verdict.message;
  state.out_truncated = out_.truncated();
  state.err_truncated = err_.truncated();
  state.out = out_.Take();
  state.err = err_.Take();
  state.duration_millis =
      std::chrono::duration_cast<milliseconds>(base::RealClock().MonotonicNow() - start_).count();
  return state;
}

}  // namespace

base::Result<std::unique_ptr<RunSupervisor>> RunSupervisor::Create(SupervisorOptions options,
                                                                   Spawner spawner) {
  base::Fd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake.valid()) return base::Status(base::Code::kInternal, "eventfd failed");
  return std::unique_ptr<RunSupervisor>(
      new RunSupervisor(std::move(options), std::move(spawner), std::move(wake)));
}

RunSupervisor::RunSupervisor(SupervisorOptions options, Spawner spawner, base::Fd wake)
    : options_(std::move(options)),
      spawner_(std::move(spawner)),
      probe_(MemoryProbe::Create(options_.workspace)),
      wake_(std::move(wake)) {}

base::Result<api::RunState> RunSupervisor::Run(const api::RunRequest& request) {
  if (request.operation == api::Operation::kInstallPackage) return Install(request);
  return RunOnce(SpecOf(request, Sandbox()), request);
}

// Two runs, of which the caller sees one: the installer's, and when all of its processes are gone,
// one that reads what it installed.
base::Result<api::RunState> RunSupervisor::Install(const api::RunRequest& request) {
  if (!request.install) {
    return Refused(base::Status(base::Code::kInvalidArgument, "it does not say what to install"));
  }
  if (!packages_made_) {
    const base::Status made = MakePackagesPlace(options_.workspace);
    if (!made.ok()) return Refused(made);
    packages_made_ = true;
  }
  auto state = RunOnce(SpecOf(request, Sandbox()), request);
  const bool installed =
      state.ok() && state->outcome == api::RunOutcome::kExited && state->exit_code == 0;
  if (!installed) return state;
  const auto record = RunOnce(RecordSpecOf(request, Sandbox()), RecordRequestOf(request));
  if (!record.ok()) return record.status();
  AddRecord(*record, request.output_bytes, &*state);
  return state;
}

base::Result<api::RunState> RunSupervisor::RunOnce(const RunSpec& spec,
                                                   const api::RunRequest& request) {
  const MemorySample start = probe_->Sample(-1);
  std::unique_ptr<Relay> relay;
  if (request.network) {
    auto started = Relay::Start(options_.identity, *request.network);
    if (!started.ok()) return Refused(started.status().WithContext("the run's network"));
    relay = std::move(started).value();
  }
  base::Result<RunProcess> process = spawner_.Spawn(spec);
  if (process.status().code() == base::Code::kUnavailable) return process.status();
  if (!process.ok()) return Refused(process.status());
  Session session(std::move(process).value(), spawner_.stage(), request, spec.file.has_value(),
                  *probe_, start, relay.get(), wake_.get(), cancel_);
  session.Loop();
  if (relay) CloseNetwork(std::move(relay));
  base::Result<api::RunState> state = session.End();
  if (state.ok() && spec.file) TakeFileAnswer(&*state);
  return state;
}

void RunSupervisor::Cancel() {
  cancel_ = true;
  const uint64_t one = 1;
  // The flag is what counts; a full counter wakes as well.
  if (write(wake_.get(), &one, sizeof one) < 0) return;
}

}  // namespace sandgate::runner
