#include "libs/api/file_entry.h"

#include <algorithm>
#include <chrono>

#include "libs/api/meta.h"
#include "libs/api/runner_protocol.h"

namespace sandgate::api {
namespace {

constexpr FileType kTypes[] = {FileType::kFile, FileType::kDirectory, FileType::kSymlink,
                               FileType::kOther};
constexpr FileErrorCode kErrors[] = {
    FileErrorCode::kFileNotFound,         FileErrorCode::kIsADirectory,
    FileErrorCode::kNotADirectory,        FileErrorCode::kNotARegularFile,
    FileErrorCode::kPathOutsideWorkspace, FileErrorCode::kInvalidPath,
    FileErrorCode::kFileTooLarge,         FileErrorCode::kDiskFull,
    FileErrorCode::kPermissionDenied,     FileErrorCode::kInvalidCursor,
    FileErrorCode::kFileOperationFailed};

// 2261-01-01; nanoseconds in 64 bits end in 2262.
constexpr int64_t kLastSecond = 9'183'110'400;

// {"mtime":"2026-01-01T00:00:00Z","name":"","size":0,"type":"directory"}, with the longest size
constexpr size_t kEntryOverhead = 96;
// ,"nameBase64":""
constexpr size_t kBase64Overhead = 16;

}  // namespace

const char* FileTypeName(FileType type) {
  switch (type) {
    case FileType::kFile:
      return "file";
    case FileType::kDirectory:
      return "directory";
    case FileType::kSymlink:
      return "symlink";
    case FileType::kOther:
      return "other";
  }
  return "";
}

std::optional<FileType> ParseFileType(std::string_view name) {
  for (const FileType type : kTypes) {
    if (name == FileTypeName(type)) return type;
  }
  return std::nullopt;
}

std::string FileEntry::Bytes() const {
  if (name_base64.empty()) return name;
  return Base64Decode(name_base64).value_or(name);
}

FileEntry MakeFileEntry(const std::string& name_bytes, FileType type, int64_t size,
                        int64_t mtime_seconds) {
  FileEntry entry;
  bool replaced = false;
  entry.name = ToUtf8(name_bytes, &replaced);
  if (replaced) entry.name_base64 = Base64Encode(name_bytes);
  entry.type = type;
  entry.size = type == FileType::kFile ? std::max<int64_t>(size, 0) : 0;
  entry.mtime =
      base::Time(std::chrono::seconds(std::clamp<int64_t>(mtime_seconds, 0, kLastSecond)));
  return entry;
}

Json ToJson(const std::vector<FileEntry>& files) {
  Json list = Json::array();
  for (const FileEntry& file : files) {
    Json one = {{"name", file.name},
                {"type", FileTypeName(file.type)},
                {"size", file.size},
                {"mtime", base::FormatTime(file.mtime)}};
    if (!file.name_base64.empty()) one["nameBase64"] = file.name_base64;
    list.push_back(std::move(one));
  }
  return list;
}

std::vector<FileEntry> FilesFromJson(const Json& list) {
  std::vector<FileEntry> files;
  if (!list.is_array()) return files;
  for (const Json& one : list) {
    FileEntry file;
    file.name = StringOr(one, "name");
    if (file.name.empty()) continue;
    file.name_base64 = StringOr(one, "nameBase64");
    file.type = ParseFileType(StringOr(one, "type")).value_or(FileType::kOther);
    file.size = IntOr(one, "size");
    file.mtime = TimeFromJson(one, "mtime").value_or(base::Time());
    files.push_back(std::move(file));
  }
  return files;
}

size_t CostInJson(const FileEntry& entry) {
  size_t cost = kEntryOverhead;
  if (!entry.name_base64.empty()) cost += kBase64Overhead + entry.name_base64.size();
  for (const char c : entry.name) {
    const auto byte = static_cast<unsigned char>(c);
    const bool escaped = byte < 0x20 || c == '<' || c == '>' || c == '&' || c == '"' || c == '\\';
    cost += escaped ? 6 : 1;
  }
  // U+2028 and U+2029 are escaped as well: three bytes become six.
  return cost + static_cast<size_t>(std::count(entry.name.begin(), entry.name.end(), '\xe2')) * 3;
}

std::string ListCursor(std::string_view last_name) {
  std::string text = Base64Encode(last_name);
  while (text.ends_with('=')) text.pop_back();
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  return text;
}

std::optional<std::string> ReadListCursor(std::string_view cursor) {
  std::string text(cursor);
  if (text.find_first_of("+/=") != std::string::npos) return std::nullopt;
  std::replace(text.begin(), text.end(), '-', '+');
  std::replace(text.begin(), text.end(), '_', '/');
  text.append((4 - text.size() % 4) % 4, '=');
  std::optional<std::string> name = Base64Decode(text);
  // Its own encoding must give the same text, so that there is one cursor for each name.
  if (!name || name->empty() || name->size() > kMaxNameBytes || ListCursor(*name) != cursor) {
    return std::nullopt;
  }
  return name;
}

const char* FileErrorName(FileErrorCode code) {
  switch (code) {
    case FileErrorCode::kFileNotFound:
      return "FileNotFound";
    case FileErrorCode::kIsADirectory:
      return "IsADirectory";
    case FileErrorCode::kNotADirectory:
      return "NotADirectory";
    case FileErrorCode::kNotARegularFile:
      return "NotARegularFile";
    case FileErrorCode::kPathOutsideWorkspace:
      return "PathOutsideWorkspace";
    case FileErrorCode::kInvalidPath:
      return "InvalidPath";
    case FileErrorCode::kFileTooLarge:
      return "FileTooLarge";
    case FileErrorCode::kDiskFull:
      return "DiskFull";
    case FileErrorCode::kPermissionDenied:
      return "PermissionDenied";
    case FileErrorCode::kInvalidCursor:
      return "InvalidCursor";
    case FileErrorCode::kFileOperationFailed:
      return "FileOperationFailed";
  }
  return "";
}

std::optional<FileErrorCode> ParseFileError(std::string_view name) {
  for (const FileErrorCode code : kErrors) {
    if (name == FileErrorName(code)) return code;
  }
  return std::nullopt;
}

}  // namespace sandgate::api
