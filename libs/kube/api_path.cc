#include "libs/kube/api_path.h"

#include <algorithm>

namespace sandgate::kube {
namespace {

constexpr size_t kMaxSegmentBytes = 253;  // the API server's own limit for names

// Object names are DNS labels or subdomains; RBAC's may carry a colon too.
bool SafeCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == ':' || c == '_';
}

bool SafeSegment(std::string_view text) {
  return !text.empty() && text.size() <= kMaxSegmentBytes && text != "." && text != ".." &&
         std::all_of(text.begin(), text.end(), SafeCharacter);
}

void AppendEncoded(std::string* out, std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  for (const char c : text) {
    if (SafeCharacter(c) && c != ':') {
      out->push_back(c);
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out->push_back('%');
    out->push_back(kDigits[byte >> 4]);
    out->push_back(kDigits[byte & 15]);
  }
}

}  // namespace

base::Result<std::string> ResourcePath(const Resource& resource, std::string_view ns,
                                       std::string_view name, std::string_view subresource) {
  std::string path = resource.group.empty() ? "/api/" : "/apis/" + resource.group + "/";
  path += resource.version;
  const auto add = [&path](std::string_view segment) {
    path += '/';
    path += segment;
  };
  if (!ns.empty()) {
    if (!SafeSegment(ns)) {
      return base::Status(base::Code::kInvalidArgument, "not a valid namespace name");
    }
    add("namespaces");
    add(ns);
  }
  add(resource.plural);
  if (!name.empty()) {
    if (!SafeSegment(name)) {
      return base::Status(base::Code::kInvalidArgument, "not a valid object name");
    }
    add(name);
  }
  if (!subresource.empty()) add(subresource);
  return path;
}

std::string QueryString(const Query& query) {
  std::string out;
  for (const auto& [key, value] : query) {
    if (value.empty()) continue;
    out += out.empty() ? '?' : '&';
    out += key;
    out += '=';
    AppendEncoded(&out, value);
  }
  return out;
}

Query ListQuery(const ListOptions& options) {
  return {{"labelSelector", options.label_selector},
          {"fieldSelector", options.field_selector},
          {"limit", options.limit > 0 ? std::to_string(options.limit) : ""},
          {"continue", options.continue_token},
          {"resourceVersion", options.resource_version}};
}

}  // namespace sandgate::kube
