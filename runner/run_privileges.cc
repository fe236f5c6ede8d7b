#include "runner/run_privileges.h"

#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace sandgate::runner {
namespace {

struct CapabilitySets {
  uint64_t effective = 0, permitted = 0, inheritable = 0;

  bool empty() const { return (effective | permitted | inheritable) == 0; }
};

uint64_t Join(uint32_t low, uint32_t high) {
  return low | (uint64_t{high} << 32);
}

bool SetCapabilities(const CapabilitySets& sets) {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  for (int i = 0; i < 2; ++i) {
    data[i].effective = static_cast<uint32_t>(sets.effective >> (32 * i));
    data[i].permitted = static_cast<uint32_t>(sets.permitted >> (32 * i));
    data[i].inheritable = static_cast<uint32_t>(sets.inheritable >> (32 * i));
  }
  return syscall(SYS_capset, &header, data) == 0;
}

bool GetCapabilities(CapabilitySets* sets) {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (syscall(SYS_capget, &header, data) != 0) return false;
  sets->effective = Join(data[0].effective, data[1].effective);
  sets->permitted = Join(data[0].permitted, data[1].permitted);
  sets->inheritable = Join(data[0].inheritable, data[1].inheritable);
  return true;
}

bool EmptyBoundingSet() {
  for (unsigned long cap = 0; cap < 64; ++cap) {
    if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0) continue;
    return errno == EINVAL && cap > 0;  // past the last capability this kernel knows
  }
  return true;
}

// gVisor knows no secure bits but KEEP_CAPS (EPERM for all others). They would only matter to
// uid 0, which does not exist in the run's user namespace, so there nothing is lost.
bool LockSecureBits() {
  constexpr unsigned long kBits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
                                  SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
                                  SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
  return prctl(PR_SET_SECUREBITS, kBits, 0, 0, 0) == 0 || errno == EPERM;
}

}  // namespace

const char* ReduceInit() {
  if (!LockSecureBits()) return "lock the secure bits";
  if (!EmptyBoundingSet()) return "empty the bounding set";
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return "set no_new_privs";
  CapabilitySets shield;
  shield.permitted = shield.effective = uint64_t{1} << CAP_KILL;
  if (!SetCapabilities(shield)) return "reduce the init's capabilities";
  return nullptr;
}

const char* DropEverything(const std::string& filter) {
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 && errno != EINVAL) {
    return "clear the ambient capabilities";
  }
  if (!SetCapabilities({})) return "drop the capabilities";
  CapabilitySets left;
  if (!GetCapabilities(&left) || !left.empty()) return "see the capabilities gone";
  if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) return "see no_new_privs";
  sock_fprog program = {};
  program.len = static_cast<unsigned short>(filter.size() / sizeof(sock_filter));
  program.filter = reinterpret_cast<sock_filter*>(const_cast<char*>(filter.data()));
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0) {
    return "install the system call filter";
  }
  return nullptr;
}

}  // namespace sandgate::runner
