// A few threads for calls to the API server, which block for milliseconds. Nothing that waits for
// a human or a run ever comes here.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace sandgate::gateway {

// Thread-safe.
class WorkerPool {
 public:
  WorkerPool(int threads, size_t max_queue);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // False when the queue is full or after Stop: the job is not run.
  [[nodiscard]] bool Submit(std::function<void()> job);
  // Jobs that have begun end; those that have not are dropped. Idempotent.
  void Stop();

 private:
  void Run();

  const size_t max_queue_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;  // guarded by mutex_
  bool stopping_ = false;                   // guarded by mutex_
  std::vector<std::thread> threads_;
};

}  // namespace sandgate::gateway
