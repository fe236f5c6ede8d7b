// A local, live copy of one kind of object: list, then watch, for ever.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "libs/base/log.h"
#include "libs/kube/api.h"
#include "libs/kube/key.h"
#include "libs/kube/reflector.h"

namespace sandgate::kube {

// Keeps T (parsed once, shared, immutable) for every object that the selector matches. An object
// that stops matching, or cannot be parsed, leaves the store (and is logged).
// Thread-safe. Handlers run on the informer's own thread, one at a time, in order; they must not
// block (put a key on a work queue).
template <typename T>
class Informer {
 public:
  using Ptr = std::shared_ptr<const T>;
  using Parse = std::function<base::Result<T>(const api::Json&)>;
  // `before` null: added. `after` null: gone. Both: changed (or seen again after a re-list).
  using OnChange = std::function<void(const Key& key, const Ptr& before, const Ptr& after)>;

  Informer(Api api, ReflectorOptions options, Parse parse, OnChange on_change)
      : parse_(std::move(parse)),
        on_change_(std::move(on_change)),
        reflector_(std::move(api), std::move(options),
                   ReflectorCallbacks{
                       [this](std::vector<api::Json> objects) { Replace(std::move(objects)); },
                       [this](api::Json object) { Upsert(object); },
                       [this](api::Json object) { Set(KeyOf(object), nullptr); }}) {}

  void Start() { reflector_.Start(); }
  void Stop() { reflector_.Stop(); }
  // For simulators, instead of Start: a complete list, or one change as a watch tells it (`after`
  // null: gone). Handlers run on the calling thread.
  void FeedList(std::vector<api::Json> objects) { Replace(std::move(objects)); }
  void Feed(const Key& key, const api::Json* after) {
    Set(key, after == nullptr ? nullptr : ParseOrNull(*after));
  }
  // True once the first complete list is in the store.
  bool HasSynced() const { return reflector_.HasSynced(); }

  Ptr Get(const Key& key) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = store_.find(key);
    return found == store_.end() ? nullptr : found->second;
  }

  std::vector<Ptr> List() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::vector<Ptr> all;
    all.reserve(store_.size());
    for (const auto& [key, object] : store_) all.push_back(object);
    return all;
  }

 private:
  Ptr ParseOrNull(const api::Json& object) const {
    base::Result<T> parsed = parse_(object);
    if (parsed.ok()) return std::make_shared<const T>(std::move(parsed).value());
    base::LogError("object cannot be read; it is treated as absent",
                   {{"object", KeyOf(object).ToString()}, {"error", parsed.status().message()}});
    return nullptr;
  }

  void Upsert(const api::Json& object) { Set(KeyOf(object), ParseOrNull(object)); }

  void Set(const Key& key, Ptr after) {
    Ptr before;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      const auto found = store_.find(key);
      if (found != store_.end()) before = found->second;
      if (after) {
        store_[key] = after;
      } else if (found != store_.end()) {
        store_.erase(found);
      }
    }
    if (on_change_ && (before || after)) on_change_(key, before, after);
  }

  // The store swaps whole at the end of a list, so nobody sees half of one.
  void Replace(std::vector<api::Json> objects) {
    std::map<Key, Ptr> fresh;
    for (const api::Json& object : objects) {
      if (Ptr parsed = ParseOrNull(object)) fresh[KeyOf(object)] = std::move(parsed);
    }
    std::map<Key, Ptr> old;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      old = std::exchange(store_, fresh);
    }
    if (!on_change_) return;
    for (const auto& [key, after] : fresh) {
      const auto found = old.find(key);
      on_change_(key, found == old.end() ? nullptr : found->second, after);
    }
    for (const auto& [key, before] : old) {
      if (!fresh.contains(key)) on_change_(key, before, nullptr);
    }
  }

  Parse parse_;
  OnChange on_change_;
  mutable std::mutex mutex_;
  std::map<Key, Ptr> store_;  // guarded by mutex_
  Reflector reflector_;       // last: its thread uses all of the above
};

}  // namespace sandgate::kube
