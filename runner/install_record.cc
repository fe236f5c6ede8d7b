#include "runner/install_record.h"

#include "runner/file_operations.h"
#include "runner/file_write.h"
#include "runner/install_report.h"
#include "runner/packages.h"

namespace sandgate::runner {
namespace {

using api::FileError;
using Packages = std::vector<api::InstalledPackage>;

std::optional<FileError> ReadText(int workspace, const char* path, std::string* text) {
  FileRequest request;
  request.path = path;
  request.max_bytes = kMaxReportBytes;
  return ReadWorkspaceFile(workspace, request, text);
}

std::optional<FileError> Take(base::Result<Packages> read, Packages* packages) {
  if (!read.ok()) {
    return FileError{api::FileErrorCode::kFileOperationFailed, read.status().message() + "."};
  }
  *packages = std::move(read).value();
  return std::nullopt;
}

std::optional<FileError> ReadPip(int workspace, Packages* packages) {
  std::string report;
  if (auto error = ReadText(workspace, kPipReport, &report)) return error;
  return Take(ReadPipReport(report), packages);
}

std::optional<FileError> ReadNpm(int workspace, Packages* packages) {
  std::string lock, lock_before;
  if (auto error = ReadText(workspace, kNpmLock, &lock)) return error;
  if (auto error = Take(ReadNpmLock(lock), packages)) return error;
  // The first time there is none; and where it is none any more, more is told than was new.
  Packages before;
  if (!ReadText(workspace, kNpmLockBefore, &lock_before)) {
    if (auto read = ReadNpmLock(lock_before); read.ok()) before = std::move(read).value();
  }
  *packages = Added(before, *packages);
  FileRequest keep;
  keep.operation = api::Operation::kWriteFile;
  keep.path = kNpmLockBefore;
  keep.content = std::move(lock);
  return WriteFile(workspace, keep);
}

}  // namespace

std::optional<FileError> ReadInstallRecord(int workspace, api::Installer installer,
                                           api::RunState* state) {
  Packages packages;
  const auto error = installer == api::Installer::kPip ? ReadPip(workspace, &packages)
                                                       : ReadNpm(workspace, &packages);
  if (error) return error;
  if (packages.size() > api::kMaxInstalledPackages) {
    state->error_message = std::to_string(packages.size() - api::kMaxInstalledPackages) +
                           " more packages were installed than are told here.";
    packages.resize(api::kMaxInstalledPackages);
  }
  state->packages = std::move(packages);
  return std::nullopt;
}

}  // namespace sandgate::runner
