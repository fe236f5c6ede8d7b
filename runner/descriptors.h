// Descriptors that travel between processes over a Unix socket (SCM_RIGHTS, unix(7)).
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "libs/base/fd.h"

namespace sandgate::runner {

inline constexpr size_t kMaxPassedDescriptors = 8;

// One message with all of `descriptors`, at most kMaxPassedDescriptors; they stay the caller's too.
// False with errno when the other side is gone.
bool SendDescriptors(int socket, std::span<const int> descriptors);

// Those of one message, which is read with room for `most` of them and with `flags` of recvmsg(2);
// they close on exec. Empty when the other side is gone, or sent anything else.
std::vector<base::Fd> ReceiveDescriptors(int socket, size_t most, int flags = 0);

}  // namespace sandgate::runner
