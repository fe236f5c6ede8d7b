#include "runner/descriptors.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace sandgate::runner {
namespace {

// One byte, since a message must have some, and the descriptors beside it.
struct Envelope {
  char byte = 0;
  iovec data = {&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxPassedDescriptors * sizeof(int))] = {};
  msghdr header = {};

  explicit Envelope(size_t descriptors) {
    header.msg_iov = &data;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = CMSG_SPACE(std::min(descriptors, kMaxPassedDescriptors) * sizeof(int));
  }
};

}  // namespace

bool SendDescriptors(int socket, std::span<const int> descriptors) {
  if (descriptors.size() > kMaxPassedDescriptors) {
    errno = EINVAL;
    return false;
  }
  Envelope envelope(descriptors.size());
  cmsghdr* const control = CMSG_FIRSTHDR(&envelope.header);
  control->cmsg_level = SOL_SOCKET;
  control->cmsg_type = SCM_RIGHTS;
  control->cmsg_len = CMSG_LEN(descriptors.size_bytes());
  std::memcpy(CMSG_DATA(control), descriptors.data(), descriptors.size_bytes());
  ssize_t sent = 0;
  do {
    sent = sendmsg(socket, &envelope.header, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent == 1;
}

std::vector<base::Fd> ReceiveDescriptors(int socket, size_t most, int flags) {
  Envelope envelope(most);
  ssize_t got = 0;
  do {
    got = recvmsg(socket, &envelope.header, MSG_CMSG_CLOEXEC | flags);
  } while (got < 0 && errno == EINTR);
  const cmsghdr* const control = got == 1 ? CMSG_FIRSTHDR(&envelope.header) : nullptr;
  std::vector<base::Fd> descriptors;
  if (control == nullptr || control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS) {
    return descriptors;
  }
  const size_t count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
  for (size_t i = 0; i < count; ++i) {
    int descriptor = -1;
    std::memcpy(&descriptor, CMSG_DATA(control) + i * sizeof(int), sizeof descriptor);
    descriptors.emplace_back(descriptor);
  }
  return descriptors;
}

}  // namespace sandgate::runner
