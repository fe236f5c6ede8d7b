#include "operator/policy_store.h"

#include <algorithm>

namespace sandgate::op {
namespace {

using PolicyPtr = std::shared_ptr<const policy::Policy>;

base::Status Bad(const std::string& message) {
  return base::Status(base::Code::kInvalidArgument, message);
}

bool IsNamespaceName(const std::string& text) {
  constexpr size_t kMaxName = 63;
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  };
  return !text.empty() && text.size() <= kMaxName && text.front() != '-' && text.back() != '-' &&
         std::all_of(text.begin(), text.end(), allowed);
}

std::string Trimmed(const std::string& text) {
  const size_t first = text.find_first_not_of(" \t\n");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t\n") - first + 1);
}

base::Result<std::set<std::string>> ReadNames(const std::string& list) {
  std::set<std::string> names;
  for (size_t begin = 0; begin <= list.size();) {
    const size_t end = std::min(list.find(',', begin), list.size());
    const std::string name = Trimmed(list.substr(begin, end - begin));
    if (!IsNamespaceName(name)) {
      return Bad(std::string(kPolicyNamespaces) + ": \"" + name.substr(0, 64) +
                 "\" is no namespace's name; write names separated by commas");
    }
    names.insert(name);
    if (names.size() > kMaxBoundNamespaces) {
      return Bad(std::string(kPolicyNamespaces) + ": more than " +
                 std::to_string(kMaxBoundNamespaces) + " names; use a selector");
    }
    begin = end + 1;
  }
  return names;
}

Refusal Ambiguous(const std::string& ns, const char* how, const std::string& one,
                  const std::string& other) {
  return {"PolicyAmbiguous", "The namespace " + ns + " is bound by " + how +
                                 " to more than one policy (" + one + " and " + other +
                                 "), so none can be told and nothing runs. Bind it to one."};
}

}  // namespace

base::Result<PolicyStore::Binding> PolicyStore::ReadBinding(const api::Json& config_map) {
  const api::Json& annotations = api::Member(api::Member(config_map, "metadata"), "annotations");
  Binding binding;
  const std::string names = api::StringOr(annotations, kPolicyNamespaces);
  if (!Trimmed(names).empty()) {
    auto read = ReadNames(names);
    if (!read.ok()) return read.status();
    binding.namespaces = std::move(read).value();
  }
  const std::string selector = api::StringOr(annotations, kPolicySelector);
  if (!Trimmed(selector).empty()) {
    auto read = LabelSelector::Parse(selector);
    if (!read.ok()) return read.status().WithContext(kPolicySelector);
    binding.selector = std::move(read).value();
  }
  if (binding.namespaces.empty() && !binding.selector) {
    return Bad(std::string("binds no namespace: set the annotation ") + kPolicyNamespaces + " or " +
               kPolicySelector);
  }
  return binding;
}

base::Result<PolicyPtr> PolicyStore::Compile(const std::string& name,
                                             const std::string& yaml) const {
  return policy::Policy::Load({{base_yaml_, "the deployment's policy"}, {yaml, name}});
}

void PolicyStore::LayAnew(const std::string& name, Entry* entry) const {
  if (!entry->good) return;
  auto policy = Compile(name, entry->good_yaml);
  if (policy.ok()) {
    entry->good = std::move(policy).value();
    if (!entry->refused) entry->problem.clear();
  } else {
    entry->problem = policy.status().message();
  }
}

void PolicyStore::SetBase(PolicyPtr base, const std::string& yaml) {
  const std::lock_guard<std::mutex> lock(mutex_);
  base_ = std::move(base);
  base_yaml_ = yaml;
  for (auto& [name, entry] : entries_) {
    LayAnew(name, &entry);
    if (entry.good || entry.binds_all) continue;
    // Perhaps it fits now.
    auto policy = Compile(name, entry.yaml);
    if (!policy.ok()) continue;
    entry.good = std::move(policy).value();
    entry.good_yaml = entry.yaml;
    entry.refused = false;
    entry.problem.clear();
  }
}

PolicyChange PolicyStore::Put(const api::Json& config_map) {
  const std::string name = api::StringOr(api::Member(config_map, "metadata"), "name");
  const api::Json& data = api::Member(config_map, "data");
  const std::lock_guard<std::mutex> lock(mutex_);
  const bool known = entries_.contains(name);
  Entry& entry = entries_[name];
  const std::string was = entry.problem;
  entry.yaml = api::StringOr(data, kPolicyKey);
  auto binding = ReadBinding(config_map);
  const auto refuse = [&](const std::string& problem) {
    entry.problem = problem;
    entry.refused = true;
    if (!entry.good) {
      entry.binds_all = !binding.ok();
      entry.binding = binding.ok() ? *binding : Binding{};
    }
    return PolicyChange{!entry.good, !known || was != problem, problem};
  };
  if (!binding.ok()) return refuse(binding.status().message());
  if (!data.is_object() || !data.contains(kPolicyKey)) {
    return refuse(std::string("has no data[\"") + kPolicyKey + "\"]");
  }
  auto policy = Compile(name, entry.yaml);
  if (!policy.ok()) return refuse(policy.status().message());
  const bool same = entry.good && entry.good->revision() == (*policy)->revision() && was.empty();
  entry.good = std::move(policy).value();
  entry.good_yaml = entry.yaml;
  entry.binding = std::move(binding).value();
  entry.binds_all = entry.refused = false;
  entry.problem.clear();
  return {true, !same, ""};
}

void PolicyStore::Remove(const std::string& name) {
  const std::lock_guard<std::mutex> lock(mutex_);
  entries_.erase(name);
}

void PolicyStore::PutNamespace(const std::string& name, Labels labels) {
  const std::lock_guard<std::mutex> lock(mutex_);
  namespaces_[name] = std::move(labels);
}

void PolicyStore::RemoveNamespace(const std::string& name) {
  const std::lock_guard<std::mutex> lock(mutex_);
  namespaces_.erase(name);
}

PolicyView PolicyStore::For(const std::string& ns) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  PolicyView view{base_, std::nullopt, true};
  if (entries_.empty()) return view;
  if (entries_.size() > kMaxNamespacePolicies) {
    view.refused =
        Refusal{"PolicyInvalid", "There are more than " + std::to_string(kMaxNamespacePolicies) +
                                     " namespace policies, so none is told."};
    return view;
  }
  std::vector<const std::pair<const std::string, Entry>*> by_name, by_label;
  const auto labels = namespaces_.find(ns);
  for (const auto& one : entries_) {
    const Binding& binding = one.second.binding;
    if (binding.namespaces.contains(ns)) {
      by_name.push_back(&one);
    } else if (one.second.binds_all) {
      by_label.push_back(&one);
    } else if (binding.selector) {
      if (labels == namespaces_.end())
        view.known = false;
      else if (binding.selector->Matches(labels->second))
        by_label.push_back(&one);
    }
  }
  if (!by_name.empty()) view.known = true;
  const auto& winners = by_name.empty() ? by_label : by_name;
  if (winners.size() > 1) {
    view.refused =
        Ambiguous(ns, by_name.empty() ? "label" : "name", winners[0]->first, winners[1]->first);
  } else if (winners.size() == 1 && winners[0]->second.good) {
    view.policy = winners[0]->second.good;
  } else if (winners.size() == 1) {
    view.refused = Refusal{
        "PolicyInvalid",
        "The policy " + winners[0]->first +
            " of this namespace was refused, so nothing runs: " + winners[0]->second.problem};
  }
  return view;
}

std::map<std::string, bool> PolicyStore::Health() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::map<std::string, bool> health;
  for (const auto& [name, entry] : entries_) {
    if (health.size() < kMaxNamespacePolicies) health[name] = entry.problem.empty();
  }
  return health;
}

}  // namespace sandgate::op
