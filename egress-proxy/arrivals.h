// How many connections of one address have shown no grant yet. One sandbox could otherwise fill the
// whole proxy with connections that say nothing, for which no run's limit counts.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace sandgate::egress {

// Thread-safe.
class Arrivals {
 public:
  explicit Arrivals(size_t max_for_one) : max_for_one_(max_for_one) {}

  // A place among those of one address; gives it back when it goes. Must not outlive the table.
  class Place {
   public:
    Place(Arrivals* table, std::string address) : table_(table), address_(std::move(address)) {}
    ~Place() { table_->Leave(address_); }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

   private:
    Arrivals* const table_;
    const std::string address_;
  };

  // nullptr when the address has all its places taken.
  std::unique_ptr<Place> Enter(const std::string& address) {
    const std::lock_guard<std::mutex> lock(mutex_);
    size_t& count = counts_[address];
    if (count >= max_for_one_) return nullptr;
    ++count;
    return std::make_unique<Place>(this, address);
  }

 private:
  void Leave(const std::string& address) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto entry = counts_.find(address);
    if (--entry->second == 0) counts_.erase(entry);
  }

  const size_t max_for_one_;
  std::mutex mutex_;
  std::map<std::string, size_t> counts_;  // guarded by mutex_; no entry is zero
};

}  // namespace sandgate::egress
