// The newest state of an object that this process knows: what its informer saw, or what its own
// last write returned, whichever is newer. Without it a controller would decide again about a state
// that it has just changed, and lose a compare-and-swap for nothing.
#pragma once

#include <charconv>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "libs/kube/informer.h"

namespace sandgate::op {

// Newer by the API server's own order (resourceVersions of one kind are decimal and comparable,
// KEP-5504). A text that is no number is never newer: then the informer's state counts.
inline bool IsNewer(const std::string& one, const std::string& than) {
  uint64_t a = 0, b = 0;
  const auto read = [](const std::string& text, uint64_t* value) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
    return error == std::errc() && end == text.data() + text.size();
  };
  return read(one, &a) && read(than, &b) && a > b;
}

// Thread-safe.
template <typename T>
class Latest {
 public:
  using Ptr = std::shared_ptr<const T>;

  // What a write of ours returned.
  void Wrote(const kube::Key& key, Ptr object) {
    const std::lock_guard<std::mutex> lock(mutex_);
    written_[key] = std::move(object);
  }

  // The newer of the informer's object and our own. An object that the informer lost is gone.
  Ptr Pick(const kube::Key& key, const Ptr& cached) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = written_.find(key);
    if (found == written_.end()) return cached;
    const Ptr& mine = found->second;
    if (cached && mine->meta.uid == cached->meta.uid &&
        IsNewer(mine->meta.resource_version, cached->meta.resource_version)) {
      return mine;
    }
    if (cached) written_.erase(found);
    return cached;
  }

  // Ours alone, while no informer has seen the object; null when there is none.
  Ptr Own(const kube::Key& key) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = written_.find(key);
    return found == written_.end() ? nullptr : found->second;
  }

  void Forget(const kube::Key& key) {
    const std::lock_guard<std::mutex> lock(mutex_);
    written_.erase(key);
  }

 private:
  mutable std::mutex mutex_;
  std::map<kube::Key, Ptr> written_;  // guarded by mutex_
};

}  // namespace sandgate::op
