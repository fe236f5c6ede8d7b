// The life of a list-and-watch as a pure state machine: no I/O, no clock, no randomness of its own.
//
//   Listing --last page--> Watching(version) --stream ended, broken--> BackingOff --> Watching
//      ^                        |                                                     (resumed)
//      +------- BackingOff <----+-- 410, or anything that resuming would not mend
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "libs/api/json.h"
#include "libs/base/status.h"
#include "libs/kube/api.h"

namespace sandgate::kube {

inline constexpr std::chrono::milliseconds kMinWatchBackoff{200};
inline constexpr std::chrono::milliseconds kMaxWatchBackoff{30'000};

// --- states: each carries only what it needs. `failures` counts those in a row. ---

// Some pages are there, more to come.
struct Listing {
  std::vector<api::Json> items;
  std::string continue_token;
  int failures = 0;
};
// The store is complete up to `resource_version`.
struct Watching {
  std::string resource_version;
  int failures = 0;
};
// Nothing to do until the wait is over; then list anew ("" ) or resume from the version.
struct BackingOff {
  std::string resume_version;
  int failures = 0;
};
using WatchState = std::variant<Listing, Watching, BackingOff>;

// --- what happened ---

struct PageCame {
  ListPage page;
};
struct ObjectCame {  // ADDED or MODIFIED
  api::Json object;
};
struct ObjectWent {  // DELETED
  api::Json object;
};
struct BookmarkCame {
  std::string resource_version;
};
// A list call or a watch failed, or the watch sent an ERROR event.
struct CallFailed {
  base::Status status;
};
// The server ended the watch in good order. `lived`: it had not ended at once.
struct StreamEnded {
  bool lived = false;
};
struct WaitOver {};
using WatchEvent =
    std::variant<PageCame, ObjectCame, ObjectWent, BookmarkCame, CallFailed, StreamEnded, WaitOver>;

// --- what to do ---

// First, one of these to the store, or nothing.
struct ReplaceAll {
  std::vector<api::Json> objects;
};
struct Upsert {
  api::Json object;
};
struct Remove {
  api::Json object;
};
using StoreChange = std::variant<std::monostate, ReplaceAll, Upsert, Remove>;

// Then one of these.
struct ListNext {
  std::string continue_token;
};
struct OpenWatch {
  std::string resource_version;
};
struct ReadOn {};  // the open watch
struct Wait {
  std::chrono::milliseconds delay;
};
using NextCall = std::variant<ListNext, OpenWatch, ReadOn, Wait>;

struct WatchAction {
  StoreChange store;
  NextCall next;
};

struct WatchStep {
  WatchState state;
  WatchAction action;
};

// The first step of all: nothing is known.
WatchStep StartWatching();

// `random` in [0, 1) spreads the waits of many clients. Total: an event that does not belong to the
// state (a late one) changes nothing in the store and leads to a new list.
WatchStep Step(WatchState state, WatchEvent event, double random);

// One line of a watch. A line that is no event, an unknown type and an object without name or
// version are CallFailed: what was missed is unknown.
WatchEvent ParseWatchLine(std::string_view line);

}  // namespace sandgate::kube
