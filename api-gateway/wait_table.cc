#include "api-gateway/wait_table.h"

#include <algorithm>

namespace sandgate::gateway {

base::MonotonicTime WaitTable::DueTime(const Entry& entry) const {
  return entry.looking ? entry.deadline : std::min(entry.deadline, entry.look_at);
}

void WaitTable::Reschedule(WaitId id, Entry* entry, base::MonotonicTime old_due) {
  by_time_.erase({old_due, id});
  by_time_.insert({DueTime(*entry), id});
}

std::optional<WaitId> WaitTable::Add(const kube::Key& key, base::MonotonicTime deadline) {
  if (entries_.size() >= max_entries_) return std::nullopt;
  const WaitId id = next_++;
  Entry entry;
  entry.key = key;
  entry.deadline = deadline;
  by_key_.insert({key, id});
  by_time_.insert({DueTime(entry), id});
  entries_.emplace(id, std::move(entry));
  return id;
}

bool WaitTable::Remove(WaitId id) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return false;
  by_key_.erase({found->second.key, id});
  by_time_.erase({DueTime(found->second), id});
  entries_.erase(found);
  return true;
}

void WaitTable::Mark(WaitId id, std::vector<WaitId>* look) {
  Entry& entry = entries_.at(id);
  if (entry.looking) {
    entry.woken = true;
    return;
  }
  const base::MonotonicTime old_due = DueTime(entry);
  entry.looking = true;
  entry.woken = false;
  Reschedule(id, &entry, old_due);
  look->push_back(id);
}

std::vector<WaitId> WaitTable::Wake(const kube::Key& key) {
  std::vector<WaitId> look;
  for (auto at = by_key_.lower_bound({key, 0}); at != by_key_.end() && at->first == key; ++at) {
    Mark(at->second, &look);
  }
  return look;
}

std::vector<WaitId> WaitTable::WakeOthers(const std::set<kube::Key>& active) {
  std::vector<WaitId> look;
  for (const auto& [key, id] : by_key_) {
    if (!active.contains(key)) Mark(id, &look);
  }
  return look;
}

bool WaitTable::LookEnded(WaitId id, base::MonotonicTime now) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return false;
  Entry& entry = found->second;
  if (entry.woken) {
    entry.woken = false;
    return true;
  }
  const base::MonotonicTime old_due = DueTime(entry);
  entry.looking = false;
  entry.look_at = now + kRecheck;
  Reschedule(id, &entry, old_due);
  return false;
}

void WaitTable::LookFailed(WaitId id, base::MonotonicTime now) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return;
  Entry& entry = found->second;
  const base::MonotonicTime old_due = DueTime(entry);
  entry.looking = false;
  entry.woken = false;
  entry.look_at = now + kRetry;
  Reschedule(id, &entry, old_due);
}

WaitTable::Due WaitTable::TakeDue(base::MonotonicTime now) {
  Due due;
  std::vector<WaitId> ids;
  for (const auto& [time, id] : by_time_) {
    if (time > now) break;
    ids.push_back(id);
  }
  for (const WaitId id : ids) {
    if (entries_.at(id).deadline <= now) {
      Remove(id);
      due.expired.push_back(id);
    } else {
      Mark(id, &due.look);
    }
  }
  return due;
}

std::optional<base::MonotonicTime> WaitTable::NextDue() const {
  if (by_time_.empty()) return std::nullopt;
  return by_time_.begin()->first;
}

std::vector<WaitId> WaitTable::RemoveAll() {
  std::vector<WaitId> ids;
  for (const auto& [id, entry] : entries_) ids.push_back(id);
  entries_.clear();
  by_key_.clear();
  by_time_.clear();
  return ids;
}

}  // namespace sandgate::gateway
