// What both controllers need to carry out a plan.
#pragma once

#include "libs/api/meta.h"

namespace sandgate::op {

// One function for each alternative of a variant.
template <typename... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <typename... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

// Names an object of ours for an Event.
inline api::Json Reference(const char* kind, const api::ObjectMeta& meta) {
  return {{"apiVersion", api::kApiVersion},
          {"kind", kind},
          {"metadata", {{"namespace", meta.ns}, {"name", meta.name}, {"uid", meta.uid}}}};
}

}  // namespace sandgate::op
