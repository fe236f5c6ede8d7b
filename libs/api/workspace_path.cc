#include "libs/api/workspace_path.h"

#include <algorithm>
#include <cstdio>

namespace sandgate::api {
namespace {

constexpr std::string_view kWorkspaceName = "workspace";
constexpr size_t kMaxQuotedBytes = 300;

FileError Problem(FileErrorCode code, std::string_view path, const std::string& problem) {
  return {code, QuotePath(path) + " " + problem};
}

// C0, DEL, C1, and what reorders or hides text around it.
bool Unprintable(unsigned code_point) {
  return code_point < 0x20 || (code_point >= 0x7f && code_point < 0xa0) || code_point == 0xad ||
         (code_point >= 0x200b && code_point <= 0x200f) ||
         (code_point >= 0x2028 && code_point <= 0x202e) ||
         (code_point >= 0x2060 && code_point <= 0x206f) || code_point == 0xfeff;
}

// Length of the UTF-8 character that starts there and its code point; 0 if there is none.
size_t Character(std::string_view text, unsigned* code_point) {
  const auto first = static_cast<unsigned char>(text[0]);
  const size_t size = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (size > text.size()) return 0;
  bool replaced = false;
  ToUtf8(text.substr(0, size), &replaced);
  if (replaced) return 0;
  unsigned value = size == 1 ? first : first & (0xffU >> (size + 1));
  for (size_t i = 1; i < size; ++i) {
    value = (value << 6) | (static_cast<unsigned char>(text[i]) & 0x3fU);
  }
  *code_point = value;
  return size;
}

}  // namespace

std::string QuotePath(std::string_view path) {
  std::string quoted = "\"";
  while (!path.empty()) {
    if (quoted.size() > kMaxQuotedBytes) {
      quoted += "...";
      break;
    }
    unsigned code_point = 0;
    const size_t size = Character(path, &code_point);
    if (size == 0 || Unprintable(code_point)) {
      for (const char c : path.substr(0, std::max<size_t>(size, 1))) {
        char escape[8];
        std::snprintf(escape, sizeof escape, "\\x%02x",
                      static_cast<unsigned>(static_cast<unsigned char>(c)));
        quoted += escape;
      }
    } else {
      if (path[0] == '"' || path[0] == '\\') quoted += '\\';
      quoted.append(path.substr(0, size));
    }
    path.remove_prefix(std::max<size_t>(size, 1));
  }
  return quoted + "\"";
}

std::optional<FileError> ParseWorkspacePath(std::string_view path, WorkspacePath* parsed) {
  *parsed = {};
  if (path.empty()) return FileError{FileErrorCode::kInvalidPath, "The path is empty."};
  if (path.size() > kMaxPathBytes) {
    return Problem(FileErrorCode::kInvalidPath, path, "is longer than 4096 bytes.");
  }
  if (path.find('\0') != std::string_view::npos) {
    return Problem(FileErrorCode::kInvalidPath, path, "has a NUL in it.");
  }
  bool workspace_is_due = path.front() == '/';
  for (std::string_view rest = path; !rest.empty();) {
    const size_t slash = rest.find('/');
    const std::string_view name = rest.substr(0, slash);
    rest.remove_prefix(slash == std::string_view::npos ? rest.size() : slash + 1);
    // A last "" stands behind a slash.
    parsed->must_be_directory = name == "." || (rest.empty() && slash != std::string_view::npos);
    if (name.empty() || name == ".") continue;
    if (name == "..") {
      return Problem(FileErrorCode::kPathOutsideWorkspace, path,
                     "has \"..\" in it; a path goes down from /workspace, never up.");
    }
    if (name.size() > kMaxNameBytes) {
      return Problem(FileErrorCode::kInvalidPath, path, "has a name of more than 255 bytes in it.");
    }
    if (workspace_is_due && name != kWorkspaceName) break;
    if (!workspace_is_due) parsed->components.emplace_back(name);
    workspace_is_due = false;
  }
  if (workspace_is_due) {
    return Problem(FileErrorCode::kPathOutsideWorkspace, path, "is not in /workspace.");
  }
  if (parsed->components.size() > kMaxPathDepth) {
    return Problem(FileErrorCode::kInvalidPath, path, "is more than 256 directories deep.");
  }
  return std::nullopt;
}

}  // namespace sandgate::api
