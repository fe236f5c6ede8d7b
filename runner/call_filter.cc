#include "runner/call_filter.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>

#include "libs/base/fd.h"
#include "runner/stage_io.h"

namespace sandgate::runner {
namespace {

using Context = std::unique_ptr<void, void (*)(scmp_filter_ctx)>;

// Names, not numbers: libseccomp knows newer calls than the C library, and a call that the
// architecture does not have is skipped.
constexpr const char* kRefused[] = {
    // namespaces
    "unshare", "setns",
    // mounts, old and new
    "mount", "umount", "umount2", "pivot_root", "chroot", "fsopen", "fsconfig", "fsmount", "fspick",
    "move_mount", "open_tree", "open_tree_attr", "mount_setattr", "swapon", "swapoff", "quotactl",
    "quotactl_fd",
    // other processes
    "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "pidfd_getfd",
    "pidfd_send_signal", "kcmp", "move_pages", "migrate_pages",
    // handles around the path checks
    "open_by_handle_at", "name_to_handle_at",
    // keys, programs in the kernel, and what else is only attack surface
    "keyctl", "add_key", "request_key", "bpf", "userfaultfd", "perf_event_open", "fanotify_init",
    "io_uring_setup", "io_uring_enter", "io_uring_register", "kexec_load", "kexec_file_load",
    "init_module", "finit_module", "delete_module", "reboot", "acct", "syslog", "vhangup",
    "settimeofday", "clock_settime", "sethostname", "setdomainname", "iopl", "ioperm"};

constexpr unsigned long kNamespaceFlags[] = {CLONE_NEWNS,  CLONE_NEWCGROUP, CLONE_NEWUTS,
                                             CLONE_NEWIPC, CLONE_NEWUSER,   CLONE_NEWPID,
                                             CLONE_NEWNET};

// The kernel takes ints from the low half of a register, so only that half is compared.
constexpr uint64_t kInt = 0xffff'ffff;
constexpr uint64_t kInitPid = 1;

struct ArgumentRule {
  const char* call;
  unsigned argument;
  uint64_t value;
  // A second condition, where one says nothing.
  std::optional<unsigned> other_argument = std::nullopt;
  uint64_t other_value = 0;
};

// gVisor delivers signals to the init of a namespace from within it, SIGKILL too; the init being of
// the same uid, only its pid tells it apart. Through its owner a descriptor sends signals as well.
constexpr ArgumentRule kByArgument[] = {
    {"kill", 0, kInitPid},
    {"tkill", 0, kInitPid},
    {"tgkill", 0, kInitPid},
    {"tgkill", 1, kInitPid},
    {"rt_sigqueueinfo", 0, kInitPid},
    {"rt_tgsigqueueinfo", 0, kInitPid},
    {"rt_tgsigqueueinfo", 1, kInitPid},
    {"pidfd_open", 0, kInitPid},
    // A limit of CPU time or of descriptors ends a process as well as a signal does.
    {"prlimit64", 0, kInitPid},
    {"sched_setaffinity", 0, kInitPid},
    {"sched_setscheduler", 0, kInitPid},
    {"sched_setparam", 0, kInitPid},
    {"sched_setattr", 0, kInitPid},
    {"setpriority", 1, kInitPid},
    {"ioprio_set", 1, kInitPid},
    {"fcntl", 1, F_SETOWN, 2, kInitPid},
    {"fcntl", 1, F_SETOWN_EX},
    {"ioctl", 1, FIOSETOWN},
    {"ioctl", 1, SIOCSPGRP},
    {"ioctl", 1, TIOCSTI},  // types into a terminal
};

int AddRefused(scmp_filter_ctx context) {
  for (const char* name : kRefused) {
    const int call = seccomp_syscall_resolve_name(name);
    if (call == __NR_SCMP_ERROR || call < 0) continue;
    if (const int error = seccomp_rule_add(context, SCMP_ACT_ERRNO(EPERM), call, 0)) return error;
  }
  return 0;
}

int AddByArgument(scmp_filter_ctx context) {
  for (const ArgumentRule& rule : kByArgument) {
    const scmp_arg_cmp conditions[] = {
        {rule.argument, SCMP_CMP_MASKED_EQ, kInt, rule.value},
        {rule.other_argument.value_or(0), SCMP_CMP_MASKED_EQ, kInt, rule.other_value}};
    const int call = seccomp_syscall_resolve_name(rule.call);
    if (const int error = seccomp_rule_add_array(context, SCMP_ACT_ERRNO(EPERM), call,
                                                 rule.other_argument ? 2 : 1, conditions)) {
      return error;
    }
  }
  for (const unsigned long flag : kNamespaceFlags) {
    const scmp_arg_cmp has_flag = {0, SCMP_CMP_MASKED_EQ, flag, flag};
    if (const int error =
            seccomp_rule_add_array(context, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1, &has_flag)) {
      return error;
    }
  }
  return seccomp_rule_add(context, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
}

base::Status Failed(const char* step, int error) {
  return base::Status(base::Code::kInternal,
                      std::string("system call filter: ") + step + ": " + std::strerror(error));
}

}  // namespace

base::Result<std::string> BuildCallFilter() {
  // libseccomp asks the kernel what it can do, and gVisor answers that question with ENOSYS though
  // it knows KILL_PROCESS; level 3 is the first that has it.
  seccomp_api_set(3);
  const Context context(seccomp_init(SCMP_ACT_ALLOW), seccomp_release);
  if (context == nullptr) return Failed("init", ENOMEM);
  if (const int error =
          seccomp_attr_set(context.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS)) {
    return Failed("architecture", -error);
  }
  // A binary tree: most calls are in no rule, and each is looked up on every call the code makes.
  if (const int error = seccomp_attr_set(context.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2)) {
    return Failed("optimize", -error);
  }
  if (const int error = AddRefused(context.get())) return Failed("refused calls", -error);
  if (const int error = AddByArgument(context.get())) return Failed("arguments", -error);
  const base::Fd file(memfd_create("filter", MFD_CLOEXEC));
  if (!file.valid()) return Failed("memfd", errno);
  if (const int error = seccomp_export_bpf(context.get(), file.get())) {
    return Failed("export", -error);
  }
  std::optional<std::string> program = ReadWhole(file.get());
  if (!program || program->empty()) return Failed("read", errno);
  return *std::move(program);
}

}  // namespace sandgate::runner
