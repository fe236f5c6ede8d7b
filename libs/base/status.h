// Status and Result<T>: how every folder reports failures of its environment.
//
// Three kinds of "no" exist in this code. A programmer's error aborts (assert). A failure of the
// environment (network, API server, file system) is a Status. An outcome of the domain (denied,
// timed out, exit 1) is neither: it is data in an object's status.
#pragma once

#include <cassert>
#include <optional>
#include <string>
#include <utility>

namespace sandgate::base {

// Why something failed, in the terms a caller can act on.
enum class Code {
  kOk,
  kInvalidArgument,    // the input is wrong; the same call fails again
  kNotFound,           // the object does not exist (HTTP 404)
  kAlreadyExists,      // the object exists already (HTTP 409 on create)
  kConflict,           // a compare-and-swap lost: read again, decide again (HTTP 409, 412)
  kPermissionDenied,   // authenticated, not allowed (HTTP 403)
  kUnauthenticated,    // no valid credentials (HTTP 401)
  kGone,               // a resourceVersion is too old: list again (HTTP 410)
  kResourceExhausted,  // a limit was reached (HTTP 413, 429)
  kDeadlineExceeded,   // no answer in time; the call MAY have had its effect
  kUnavailable,        // not reachable or overloaded now; try again later (HTTP 5xx)
  kCancelled,          // the caller asked to stop
  kInternal,           // anything else; a bug on one side
};

const char* CodeName(Code code);

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Code code, std::string message) : code_(code), message_(std::move(message)) {}

  static Status Ok() { return {}; }

  bool ok() const { return code_ == Code::kOk; }
  Code code() const { return code_; }
  const std::string& message() const { return message_; }

  // "NotFound: no such pod", for logs. Never carries a secret: callers see to it.
  std::string ToString() const;

  // The same failure with `context: ` before its message; an ok Status stays as it is.
  Status WithContext(const std::string& context) const;

 private:
  Code code_ = Code::kOk;
  std::string message_;
};

// A value or the Status that says why there is none.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}         // NOLINT: implicit on purpose
  Result(Status status) : status_(std::move(status)) {  // NOLINT: implicit on purpose
    assert(!status_.ok());
  }

  bool ok() const { return value_.has_value(); }
  const Status& status() const { return status_; }

  const T& value() const& {
    assert(ok());
    return *value_;
  }
  T& value() & {
    assert(ok());
    return *value_;
  }
  T&& value() && {
    assert(ok());
    return std::move(*value_);
  }
  const T& operator*() const& { return value(); }
  T& operator*() & { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  const T* operator->() const { return &value(); }
  T* operator->() { return &value(); }

 private:
  std::optional<T> value_;
  Status status_;
};

}  // namespace sandgate::base
