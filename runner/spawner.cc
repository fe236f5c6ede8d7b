#include "runner/spawner.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "runner/call_filter.h"
#include "runner/stage.h"
#include "runner/stage_io.h"

namespace sandgate::runner {
namespace {

// Descriptors that go to the stage stand above its own numbers, so that no dup2 hits another.
constexpr int kAboveStage = 16;

base::Status Failed(const std::string& step) {
  return base::Status(base::Code::kInternal, step + ": " + std::strerror(errno));
}

base::Fd Above(base::Fd fd) {
  return base::Fd(fcntl(fd.get(), F_DUPFD_CLOEXEC, kAboveStage));
}

base::Result<base::Fd> SealedMemory(const char* name, const std::string& text) {
  base::Fd fd(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.valid() || !WriteWhole(fd.get(), text)) return Failed("write a memfd");
  constexpr int kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  if (fcntl(fd.get(), F_ADD_SEALS, kSeals) != 0) return Failed("seal a memfd");
  base::Fd above = Above(std::move(fd));
  if (!above.valid()) return Failed("place a memfd");
  return above;
}

struct Pipe {
  base::Fd read, write;
};

base::Result<Pipe> MakePipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return Failed("make a pipe");
  return Pipe{base::Fd(ends[0]), base::Fd(ends[1])};
}

bool NonBlocking(const base::Fd& fd) {
  const int flags = fcntl(fd.get(), F_GETFL);
  return flags >= 0 && fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) == 0;
}

// posix_spawn(3), which is safe in a program with threads.
base::Result<pid_t> SpawnStage(const std::string& program, const base::Fd& socket,
                               const base::Fd& filter) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&actions, socket.get(), 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, filter.get(), 3);
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
  const int error = posix_spawn(&pid, program.c_str(), &actions, &attributes, argv, environment);
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
  base::Result<base::Fd> memory = SealedMemory("filter", *filter);
  if (!memory.ok()) return memory.status();
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return Failed("make a socket pair");
  }
  base::Fd ours(ends[0]);
  const base::Fd theirs = Above(base::Fd(ends[1]));
  if (!theirs.valid()) return Failed("place a socket");
  base::Result<pid_t> stage = SpawnStage(program, theirs, *memory);
  if (!stage.ok()) return stage.status();
  return Spawner(*stage, std::move(ours));
}

Spawner::~Spawner() {
  socket_.Reset();
  if (stage_.pid > 0) waitpid(stage_.pid, nullptr, 0);
}

base::Result<RunProcess> Spawner::Spawn(const RunSpec& spec) const {
  base::Result<base::Fd> text = SealedMemory("run", Encode(spec));
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
  StageMessage message;
  message.descriptors[kSpecFd] = text->get();
  message.descriptors[kStdoutFd] = out.write.get();
  message.descriptors[kStderrFd] = err.write.get();
  message.descriptors[kStatusFd] = status.write.get();
  message.descriptors[kControlFd] = control.read.get();
  base::Fd network, offered;
  if (spec.network) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
      return Failed("make a socket pair");
    }
    network.Reset(ends[0]);
    offered.Reset(ends[1]);
    message.descriptors[kNetworkFd] = offered.get();
  }
  if (base::Status sent = SendToStage(socket_.get(), message); !sent.ok()) return sent;
  return RunProcess{std::move(out.read), std::move(err.read), std::move(status.read),
                    std::move(control.write), std::move(network)};
}

}  // namespace sandgate::runner
