#include "runner/spawner.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "runner/call_filter.h"
#include "runner/stage_io.h"

namespace sandgate::runner {
namespace {

// Descriptors that go to the stage stand above its own numbers, so that no dup2 hits another.
constexpr int kAboveStage = 16;

base::Status Failed(const std::string& step) {
  return base::Status(base::Code::kInternal, step + ": " + std::strerror(errno));
}

Fd Above(Fd fd) {
  return Fd(fcntl(fd.get(), F_DUPFD_CLOEXEC, kAboveStage));
}

base::Result<Fd> SealedMemory(const char* name, const std::string& text) {
  Fd fd(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.valid() || !WriteWhole(fd.get(), text)) return Failed("write a memfd");
  constexpr int kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  if (fcntl(fd.get(), F_ADD_SEALS, kSeals) != 0) return Failed("seal a memfd");
  Fd above = Above(std::move(fd));
  if (!above.valid()) return Failed("place a memfd");
  return above;
}

struct Pipe {
  Fd read, write;
};

base::Result<Pipe> MakePipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return Failed("make a pipe");
  Pipe pipe{Above(Fd(ends[0])), Above(Fd(ends[1]))};
  if (!pipe.read.valid() || !pipe.write.valid()) return Failed("place a pipe");
  return pipe;
}

bool NonBlocking(const Fd& fd) {
  const int flags = fcntl(fd.get(), F_GETFL);
  return flags >= 0 && fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) == 0;
}

// posix_spawn(3), which is safe in a program with threads.
base::Result<pid_t> SpawnStage(const std::string& program, const std::array<int, 6>& descriptors) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  int error = 0;
  for (size_t target = 0; target < descriptors.size() && error == 0; ++target) {
    error =
        posix_spawn_file_actions_adddup2(&actions, descriptors[target], static_cast<int>(target));
  }
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  // Its own session: a stopped or orphaned process group in it never makes a signal out here.
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
  pid_t pid = -1;
  char name[] = "sandgate-runner", subcommand[] = "run-stage";
  char* argv[] = {name, subcommand, nullptr};
  char* environment[] = {nullptr};
  if (error == 0) {
    error = posix_spawn(&pid, program.c_str(), &actions, &attributes, argv, environment);
  }
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  errno = error;
  if (error != 0) return Failed("start the stage");
  return pid;
}

}  // namespace

base::Result<Spawner> Spawner::Create(std::string program) {
  base::Result<std::string> filter = BuildCallFilter();
  if (!filter.ok()) return filter.status();
  base::Result<Fd> memory = SealedMemory("filter", *filter);
  if (!memory.ok()) return memory.status();
  return Spawner(std::move(program), std::move(memory).value());
}

base::Result<RunProcess> Spawner::Spawn(const RunSpec& spec) const {
  base::Result<Fd> text = SealedMemory("run", Encode(spec));
  if (!text.ok()) return text.status();
  std::array<Pipe, 4> pipes;
  for (Pipe& pipe : pipes) {
    base::Result<Pipe> made = MakePipe();
    if (!made.ok()) return made.status();
    pipe = std::move(made).value();
  }
  auto& [out, err, status, control] = pipes;
  if (!NonBlocking(out.read) || !NonBlocking(err.read) || !NonBlocking(status.read) ||
      !NonBlocking(control.write)) {
    return Failed("prepare the pipes");
  }
  std::array<int, 6> descriptors = {};
  descriptors[kSpecFd] = text->get();
  descriptors[kStdoutFd] = out.write.get();
  descriptors[kStderrFd] = err.write.get();
  descriptors[kStatusFd] = status.write.get();
  descriptors[kControlFd] = control.read.get();
  descriptors[kFilterFd] = filter_.get();
  base::Result<pid_t> pid = SpawnStage(program_, descriptors);
  if (!pid.ok()) return pid.status();
  return RunProcess{*pid, std::move(out.read), std::move(err.read), std::move(status.read),
                    std::move(control.write)};
}

}  // namespace sandgate::runner
