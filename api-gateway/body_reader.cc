#include "api-gateway/body_reader.h"

namespace sandgate::gateway {
namespace {

std::string Shown(const std::string& name) {
  return name.empty() ? "\"\"" : name.substr(0, 64);
}

std::string Range(int64_t min, int64_t max) {
  return "must be a whole number from " + std::to_string(min) + " to " + std::to_string(max);
}

}  // namespace

BodyReader::BodyReader(const api::Json& object, std::string prefix)
    : object_(object), prefix_(std::move(prefix)) {}

void BodyReader::Fail(const std::string& name, const std::string& problem) {
  if (error_) return;
  error_ = CallError{422, "InvalidParameter", prefix_ + name + ": " + problem, prefix_ + name};
}

const api::Json* BodyReader::Take(const std::string& name) {
  known_.insert(name);
  const api::Json& member = api::Member(object_, name);
  return member.is_null() ? nullptr : &member;
}

std::string BodyReader::Text(const std::string& name, size_t max_bytes) {
  const api::Json* member = Take(name);
  if (member == nullptr) return "";
  if (!member->is_string()) {
    Fail(name, std::string("must be a string, not ") + member->type_name());
    return "";
  }
  const std::string& text = member->get_ref<const std::string&>();
  if (text.size() > max_bytes) {
    Fail(name, "has " + std::to_string(text.size()) + " bytes; at most " +
                   std::to_string(max_bytes) + " are allowed");
  }
  return text;
}

std::string BodyReader::OptionalText(const std::string& name, size_t max_bytes) {
  std::string text = Text(name, max_bytes);
  const api::Json* member = Take(name);
  if (member != nullptr && text.empty()) Fail(name, "must not be empty");
  return text;
}

std::string BodyReader::RequiredContent(const std::string& name, size_t max_bytes) {
  if (Take(name) == nullptr) Fail(name, "is required (a string)");
  return Text(name, max_bytes);
}

std::string BodyReader::RequiredText(const std::string& name, size_t max_bytes) {
  if (Take(name) == nullptr) Fail(name, "is required (a string)");
  return OptionalText(name, max_bytes);
}

bool BodyReader::OptionalBool(const std::string& name) {
  const api::Json* member = Take(name);
  if (member == nullptr) return false;
  if (!member->is_boolean()) {
    Fail(name, std::string("must be true or false, not ") + member->type_name());
    return false;
  }
  return member->get<bool>();
}

std::optional<int64_t> BodyReader::OptionalInteger(const std::string& name, int64_t min,
                                                   int64_t max) {
  const api::Json* member = Take(name);
  if (member == nullptr) return std::nullopt;
  // An unsigned number above int64 would wrap.
  const bool fits =
      member->is_number_integer() && (!member->is_number_unsigned() ||
                                      member->get<uint64_t>() <= static_cast<uint64_t>(INT64_MAX));
  if (!fits || member->get<int64_t>() < min || member->get<int64_t>() > max) {
    Fail(name, Range(min, max));
    return std::nullopt;
  }
  return member->get<int64_t>();
}

std::optional<double> BodyReader::OptionalNumber(const std::string& name, double min, double max) {
  const api::Json* member = Take(name);
  if (member == nullptr) return std::nullopt;
  if (!member->is_number() || !(member->get<double>() >= min && member->get<double>() <= max)) {
    char text[64];
    std::snprintf(text, sizeof(text), "must be a number from %g to %g", min, max);
    Fail(name, text);
    return std::nullopt;
  }
  return member->get<double>();
}

std::vector<std::string> BodyReader::OptionalTexts(const std::string& name, size_t max_items,
                                                   size_t max_bytes) {
  const api::Json* member = Take(name);
  if (member == nullptr) return {};
  if (!member->is_array() || member->size() > max_items) {
    Fail(name, "must be a list of at most " + std::to_string(max_items) + " strings");
    return {};
  }
  std::vector<std::string> texts;
  for (const api::Json& item : *member) {
    if (!item.is_string() || item.get_ref<const std::string&>().size() > max_bytes) {
      Fail(name + "[" + std::to_string(texts.size()) + "]",
           "must be a string of at most " + std::to_string(max_bytes) + " bytes");
      return {};
    }
    texts.push_back(item.get<std::string>());
  }
  return texts;
}

const api::Json* BodyReader::OptionalObject(const std::string& name) {
  const api::Json* member = Take(name);
  if (member == nullptr) return nullptr;
  if (!member->is_object()) {
    Fail(name, std::string("must be an object, not ") + member->type_name());
    return nullptr;
  }
  return member;
}

std::optional<CallError> BodyReader::Finish() {
  std::string names;
  for (const std::string& name : known_) names += (names.empty() ? "" : ", ") + name;
  for (const auto& [name, value] : object_.items()) {
    if (!known_.contains(name)) {
      Fail(Shown(name), "is not a parameter here; the parameters are " + names);
    }
  }
  return error_;
}

}  // namespace sandgate::gateway
