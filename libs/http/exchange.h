// One request's answer on its way from the handler, on any thread, to the connection.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "libs/http/server.h"

namespace sandgate::http {

class Exchange {
 public:
  static constexpr size_t kMaxUnreadBytes = 1024 * 1024;  // of a stream

  // `wake` is called from any thread, under no lock of the caller's, when there is something to
  // write; never after Close.
  explicit Exchange(std::function<void()> wake) : wake_(std::move(wake)) {}

  // The handler's side: any thread.
  void Send(Response response);
  void BeginStream(Response head);
  bool Write(std::string chunk);
  void EndStream();
  void OnClosed(std::function<void()> callback);
  void Abandon();  // nobody can answer any more

  // The connection's side: its strand. What to write next:
  struct Step {
    enum class Kind { kNothing, kResponse, kHead, kChunk, kEnd, kAbandoned } kind = Kind::kNothing;
    Response response;  // kResponse, kHead
    std::string chunk;  // kChunk
  };
  Step Next();
  void Flushed(size_t bytes);  // a chunk has left
  // No answer is taken any more. `gone`: the client left before it had the answer.
  void Close(bool gone);

 private:
  enum class Phase { kWaiting, kAnswered, kStreaming, kEnding, kClosed };
  void Wake();  // with mutex_ held

  std::mutex mutex_;
  // All below guarded by mutex_.
  std::function<void()> wake_;
  std::function<void()> on_closed_;
  Phase phase_ = Phase::kWaiting;
  bool gone_ = false;
  bool abandoned_ = false;
  bool head_taken_ = false;
  bool answer_taken_ = false;
  Response response_;
  std::string chunk_;        // waits to be written
  size_t unread_bytes_ = 0;  // in chunk_ or being written
};

// Keeps `exchange` answerable; its last copy abandons it.
Responder MakeResponder(std::shared_ptr<Exchange> exchange);

}  // namespace sandgate::http
