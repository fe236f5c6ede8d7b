#include "operator/policy_guard.h"

#include <condition_variable>
#include <fstream>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "libs/base/log.h"
#include "libs/kube/informer.h"
#include "operator/canary.h"
#include "operator/compare.h"

namespace sandgate::op {
namespace {

using api::Json;
using base::Code;
using base::Result;
using base::Status;
using State = GuardView::State;
using JsonInformer = kube::Informer<Json>;

constexpr std::streamsize kMaxFileBytes = 4 * 1024 * 1024;  // a ConfigMap has at most 1 MiB
constexpr std::chrono::milliseconds kSyncPoll{100};

// The kind in the version that the object names; nullopt for other kinds.
std::optional<kube::Resource> ResourceOf(const Json& object) {
  const std::string kind = api::StringOr(object, "kind");
  const std::string api_version = api::StringOr(object, "apiVersion");
  for (const kube::Resource* known :
       {&kube::kValidatingAdmissionPolicies, &kube::kValidatingAdmissionPolicyBindings,
        &kube::kMutatingAdmissionPolicies, &kube::kMutatingAdmissionPolicyBindings}) {
    if (known->kind != kind || !api_version.starts_with(known->group + "/")) continue;
    kube::Resource resource = *known;
    resource.version = api_version.substr(known->group.size() + 1);
    return resource;
  }
  return std::nullopt;
}

std::string NameOf(const Json& object) {
  return api::StringOr(api::Member(object, "metadata"), "name");
}

bool Deleting(const Json& object) {
  return api::Member(api::Member(object, "metadata"), "deletionTimestamp").is_string();
}

// Whether the guard has to look again.
bool Differ(const JsonInformer::Ptr& before, const JsonInformer::Ptr& after) {
  return !before || !after || Deleting(*before) != Deleting(*after) ||
         api::Member(*before, "spec") != api::Member(*after, "spec");
}

Status NotAList(const std::string& path, const std::string& what) {
  return Status(Code::kInvalidArgument, path + ": " + what);
}

bool SameView(const GuardView& one, const GuardView& other) {
  return one.state == other.state && one.problem == other.problem;
}

void LogView(const GuardView& view) {
  switch (view.state) {
    case State::kIntact:
      base::LogInfo("admission policies are in force");
      return;
    case State::kUnknown:
      base::LogWarning("admission policies: not known whether they are in force",
                       {{"problem", view.problem}});
      return;
    case State::kBroken:
      base::LogError("admission policies are not in force; nothing above LOW will run",
                     {{"problem", view.problem}});
      return;
  }
}

}  // namespace

Result<std::vector<Json>> LoadExpectedPolicies(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (path.empty() || !file) return NotAList(path, "cannot be read");
  std::string text(kMaxFileBytes + 1, '\0');
  file.read(text.data(), kMaxFileBytes + 1);
  if (file.bad() || file.gcount() > kMaxFileBytes) {
    return NotAList(path, "cannot be read or has more than 4 MiB");
  }
  text.resize(static_cast<size_t>(file.gcount()));
  const auto json = api::ParseJson(text);
  if (!json.ok()) return json.status().WithContext(path);
  if (!json->is_array() || json->empty()) return NotAList(path, "must be a list, and not empty");
  std::vector<Json> expected;
  for (const Json& object : *json) {
    const std::string place = "[" + std::to_string(expected.size()) + "]";
    if (!ResourceOf(object)) return NotAList(path, place + " is no admission policy or binding");
    if (NameOf(object).empty()) return NotAList(path, place + ".metadata.name is missing");
    if (!api::Member(object, "spec").is_object()) return NotAList(path, place + ".spec is missing");
    expected.push_back(object);
  }
  return expected;
}

class PolicyGuard::Impl {
 public:
  Impl(const kube::Api& api, const Settings& settings, std::vector<Json> expected,
       std::function<void()> on_change, const base::Clock& clock)
      : expected_(std::move(expected)),
        on_change_(std::move(on_change)),
        clock_(clock),
        canary_(api.WithStop(stop_.get_token()), settings) {
    for (const Json& object : expected_) {
      const auto resource = ResourceOf(object);
      if (resource) Watch(api, *resource);
    }
    published_ = Judge();
  }

  ~Impl() { Stop(); }

  void Start() {
    for (auto& [kind, informer] : informers_) informer->Start();
    thread_ = std::thread([this] { Run(); });
  }

  void Stop() {
    stop_.request_stop();
    if (thread_.joinable()) thread_.join();
    for (auto& [kind, informer] : informers_) informer->Stop();
  }

  GuardView View() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return Judge();
  }

 private:
  using KindKey = std::pair<std::string, std::string>;  // apiVersion, kind

  void Watch(const kube::Api& api, const kube::Resource& resource) {
    auto& informer = informers_[{resource.ApiVersion(), resource.kind}];
    if (informer) return;
    informer = std::make_unique<JsonInformer>(
        api, kube::ReflectorOptions{resource, "", "", ""},
        [](const Json& object) -> Result<Json> { return object; },
        [this](const kube::Key&, const JsonInformer::Ptr& before, const JsonInformer::Ptr& after) {
          if (Differ(before, after)) Changed();
        });
  }

  // On an informer's thread.
  void Changed() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      ++changes_;
      Compare();
    }
    wake_.notify_all();
  }

  bool Synced() const {
    for (const auto& [kind, informer] : informers_) {
      if (!informer->HasSynced()) return false;
    }
    return true;
  }

  // mutex_ is held. An answer from before the policies were put right says nothing about after.
  void Compare() {
    difference_.clear();
    for (const Json& object : expected_) {
      difference_ = DifferenceOf(object);
      if (difference_.empty()) continue;
      if (synced_) answer_.reset();
      return;
    }
  }

  std::string DifferenceOf(const Json& object) const {
    const std::string kind = api::StringOr(object, "kind");
    const std::string what = kind + " " + NameOf(object);
    const auto informer = informers_.find({api::StringOr(object, "apiVersion"), kind});
    if (informer == informers_.end()) return what + " is of a kind that is not watched";
    const JsonInformer::Ptr live = informer->second->Get({"", NameOf(object)});
    if (!live) return what + " is missing";
    if (Deleting(*live)) return what + " is being deleted";
    const std::string where =
        FirstDifference(api::Member(object, "spec"), api::Member(*live, "spec"));
    return where.empty() ? "" : what + " differs from what was installed: spec, " + where;
  }

  // mutex_ is held.
  GuardView Judge() const {
    if (expected_.empty()) {
      return {State::kBroken, "it is not known which admission policies must be in force"};
    }
    if (!synced_) return {State::kUnknown, "the admission policies are not read yet"};
    if (!difference_.empty()) return {State::kBroken, difference_};
    if (!answer_) {
      return {State::kUnknown, silence_.empty() ? "the canary has not answered yet" : silence_};
    }
    if (clock_.MonotonicNow() - answered_at_ > kGuardMemory) {
      return {State::kUnknown, silence_.empty() ? "the last answer is too old" : silence_};
    }
    if (answer_->state == CanaryAnswer::State::kRefused) return {State::kIntact, ""};
    return {State::kBroken, answer_->problem};
  }

  // mutex_ is held. `asked_at` and `changes` are of the moment before the canary was asked.
  void Take(CanaryAnswer answer, base::MonotonicTime asked_at, uint64_t changes) {
    switch (answer.state) {
      case CanaryAnswer::State::kUnreachable:
        silence_ = answer.problem;
        return;
      case CanaryAnswer::State::kRefused:
        if (changes != changes_) return;  // asked again at once
        break;
      case CanaryAnswer::State::kBroken:
        break;
    }
    silence_.clear();
    answered_at_ = asked_at;
    answer_ = std::move(answer);
    if (!difference_.empty()) answer_.reset();
  }

  // Tells of what has changed since the last time. Without a lock.
  void Publish() {
    GuardView view;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      view = Judge();
      if (SameView(view, published_)) return;
      published_ = view;
    }
    LogView(view);
    if (on_change_) on_change_();
  }

  void Run() {
    while (!stop_.stop_requested()) {
      const uint64_t changes = Look();
      Publish();
      bool refused = false;
      if (synced_) {
        const base::MonotonicTime asked_at = clock_.MonotonicNow();
        CanaryAnswer answer = canary_.Ask();
        refused = answer.state == CanaryAnswer::State::kRefused;
        const std::lock_guard<std::mutex> lock(mutex_);
        Take(std::move(answer), asked_at, changes);
      }
      if (stop_.stop_requested()) return;
      Publish();
      Sleep(changes, refused);
    }
  }

  // Returns how many changes it has seen.
  uint64_t Look() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!synced_ && Synced()) {
      synced_ = true;
      Compare();
    }
    return changes_;
  }

  void Sleep(uint64_t changes, bool refused) {
    std::unique_lock<std::mutex> lock(mutex_);
    std::chrono::milliseconds delay = kCanaryRetryInterval;
    if (!synced_) delay = kSyncPoll;
    if (refused && Judge().intact()) delay = kCanaryInterval;
    // Not synced: nothing to ask yet, so changes are no reason to hurry.
    wake_.wait_for(lock, stop_.get_token(), delay,
                   [this, changes] { return synced_ && changes_ != changes; });
  }

  const std::vector<Json> expected_;
  const std::function<void()> on_change_;
  const base::Clock& clock_;
  std::stop_source stop_;
  Canary canary_;  // run thread only

  mutable std::mutex mutex_;
  std::condition_variable_any wake_;
  bool synced_ = false;                 // written by the run thread under mutex_
  uint64_t changes_ = 0;                // guarded by mutex_
  std::string difference_;              // guarded by mutex_
  std::optional<CanaryAnswer> answer_;  // the last that says something; guarded by mutex_
  base::MonotonicTime answered_at_{};   // when that was asked; guarded by mutex_
  std::string silence_;                 // why there was no answer since; guarded by mutex_
  GuardView published_;                 // guarded by mutex_

  std::thread thread_;
  std::map<KindKey, std::unique_ptr<JsonInformer>> informers_;  // last: they call Changed
};

PolicyGuard::PolicyGuard(kube::Api api, const Settings& settings, std::vector<Json> expected,
                         std::function<void()> on_change, const base::Clock& clock)
    : impl_(std::make_unique<Impl>(api, settings, std::move(expected), std::move(on_change),
                                   clock)) {}

PolicyGuard::~PolicyGuard() = default;

void PolicyGuard::Start() {
  impl_->Start();
}

void PolicyGuard::Stop() {
  impl_->Stop();
}

GuardView PolicyGuard::View() const {
  return impl_->View();
}

}  // namespace sandgate::op
