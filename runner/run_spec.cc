#include "runner/run_spec.h"

#include <algorithm>
#include <cstring>

#include "runner/run_environment.h"

namespace sandgate::runner {
namespace {

constexpr int64_t kMebibyte = 1024 * 1024;

// Virtual memory beyond the memory limit: room for the stacks and malloc arenas of as many threads
// as there may be. The memory watch holds the limit; this only makes an absurd request fail at
// once, in the language's own words.
constexpr int64_t kAddressSpaceSlack = 4096 * kMebibyte;

constexpr int64_t kMaxProcesses = 256;
constexpr int64_t kMaxOpenFiles = 1024;
constexpr int64_t kMaxShmBytes = 256 * kMebibyte;
constexpr int64_t kNoMode = -1;

class Writer {
 public:
  void Number(int64_t value) { text_.append(reinterpret_cast<const char*>(&value), sizeof value); }
  void Text(std::string_view value) {
    Number(static_cast<int64_t>(value.size()));
    text_.append(value);
  }
  void Texts(const std::vector<std::string>& values) {
    Number(static_cast<int64_t>(values.size()));
    for (const std::string& value : values) Text(value);
  }
  std::string Take() { return std::move(text_); }

 private:
  std::string text_;
};

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  int64_t Number() {
    int64_t value = 0;
    if (text_.size() < sizeof value) {
      ok_ = false;
      return 0;
    }
    std::memcpy(&value, text_.data(), sizeof value);
    text_.remove_prefix(sizeof value);
    return value;
  }
  std::string Text() {
    const int64_t size = Number();
    if (size < 0 || static_cast<size_t>(size) > text_.size()) {
      ok_ = false;
      return {};
    }
    std::string value(text_.substr(0, static_cast<size_t>(size)));
    text_.remove_prefix(value.size());
    return value;
  }
  std::vector<std::string> Texts() {
    std::vector<std::string> values;
    const int64_t count = Number();
    for (int64_t i = 0; i < count && ok_; ++i) values.push_back(Text());
    return values;
  }
  bool Done() const { return ok_ && text_.empty(); }

 private:
  std::string_view text_;
  bool ok_ = true;
};

// Every number of a spec, once, in the order in which both sides know them.
template <typename Spec, typename Visit>
void VisitNumbers(Spec& spec, Visit visit) {
  visit(spec.address_space_bytes);
  visit(spec.file_bytes);
  visit(spec.processes);
  visit(spec.open_files);
  visit(spec.tmp_bytes);
  visit(spec.shm_bytes);
}

void WriteFileRequest(const FileRequest& file, Writer* writer) {
  writer->Number(static_cast<int64_t>(file.operation));
  writer->Text(file.path);
  writer->Text(file.content);
  writer->Number(file.append ? 1 : 0);
  writer->Number(file.mode ? int64_t{*file.mode} : kNoMode);
  writer->Number(file.max_bytes);
  writer->Number(file.limit);
  writer->Text(file.cursor);
  writer->Number(static_cast<int64_t>(file.installer));
}

FileRequest ReadFileRequest(Reader* reader) {
  FileRequest file;
  file.operation = static_cast<api::Operation>(reader->Number());
  file.path = reader->Text();
  file.content = reader->Text();
  file.append = reader->Number() != 0;
  if (const int64_t mode = reader->Number(); mode != kNoMode) {
    file.mode = static_cast<uint32_t>(mode);
  }
  file.max_bytes = reader->Number();
  file.limit = reader->Number();
  file.cursor = reader->Text();
  file.installer = static_cast<api::Installer>(reader->Number());
  return file;
}

// What holds for every process of a run, whatever it does.
RunSpec WithLimits(int64_t memory_bytes, int64_t disk_bytes, std::string workspace) {
  RunSpec spec;
  spec.workspace = std::move(workspace);
  // More than fits anywhere, so that a full disk says that it is full.
  spec.file_bytes = 2 * (disk_bytes + memory_bytes);
  spec.processes = kMaxProcesses;
  spec.open_files = kMaxOpenFiles;
  spec.tmp_bytes = memory_bytes;
  spec.shm_bytes = std::min(memory_bytes / 2, kMaxShmBytes);
  spec.address_space_bytes = memory_bytes + kAddressSpaceSlack;
  return spec;
}

// pip, and where later runs look for what it installs: the way there has the version of the image's
// Python in it. An older report would be taken for this install's.
constexpr char kPipProgram[] = R"python(import os, runpy, site, sys
base, packages = site.getuserbase(), site.getusersitepackages()
os.makedirs(packages, exist_ok=True)
link = os.path.join(base, "packages")
if not os.path.lexists(link):
    os.symlink(os.path.relpath(packages, base), link)
report = sys.argv[sys.argv.index("--report") + 1]
if os.path.lexists(report):
    os.unlink(report)
sys.argv[0] = "pip"
runpy.run_module("pip", run_name="__main__", alter_sys=True)
)python";

void AddPip(const api::InstallRequest& install, RunSpec* spec) {
  spec->code = kPipProgram;
  spec->code_path = std::string(kCodeDirectory) + "/pip_program.py";
  // Its commands are found by later runs; what pip would say of that concerns this one alone. (As a
  // variable the option means its contrary.)
  spec->argv = {
      "python3",      spec->code_path,   "install",  "--user",   "--no-warn-script-location",
      "--index-url",  install.index_url, "--report", kPipReport, "--",
      install.package};
}

void AddNpm(const api::InstallRequest& install, RunSpec* spec) {
  spec->argv = {"npm",        "install",         "--prefix", kNodeBase,
                "--registry", install.index_url, "--",       install.package};
  spec->address_space_bytes = 0;
}

}  // namespace

std::string Encode(const RunSpec& spec) {
  Writer writer;
  writer.Texts(spec.argv);
  writer.Texts(spec.environment);
  writer.Text(spec.code);
  writer.Text(spec.code_path);
  writer.Number(spec.code_on_stdin ? 1 : 0);
  writer.Text(spec.workspace);
  writer.Number(static_cast<int64_t>(spec.packages));
  VisitNumbers(spec, [&writer](int64_t number) { writer.Number(number); });
  writer.Number(spec.file ? 1 : 0);
  if (spec.file) WriteFileRequest(*spec.file, &writer);
  writer.Number(spec.network ? 1 : 0);
  if (spec.network) {
    writer.Text(spec.network->hosts);
    writer.Text(spec.network->authorities);
  }
  return writer.Take();
}

std::optional<RunSpec> Decode(std::string_view text) {
  Reader reader(text);
  RunSpec spec;
  spec.argv = reader.Texts();
  spec.environment = reader.Texts();
  spec.code = reader.Text();
  spec.code_path = reader.Text();
  spec.code_on_stdin = reader.Number() != 0;
  spec.workspace = reader.Text();
  spec.packages = static_cast<PackagesView>(reader.Number());
  VisitNumbers(spec, [&reader](int64_t& number) { number = reader.Number(); });
  if (reader.Number() != 0) spec.file = ReadFileRequest(&reader);
  if (reader.Number() != 0) {
    spec.network.emplace();
    spec.network->hosts = reader.Text();
    spec.network->authorities = reader.Text();
  }
  if (!reader.Done() || spec.argv.empty() != spec.file.has_value()) return std::nullopt;
  return spec;
}

RunSpec SpecFor(api::Language language, std::string code, int64_t memory_bytes, int64_t disk_bytes,
                std::string workspace) {
  RunSpec spec = WithLimits(memory_bytes, disk_bytes, std::move(workspace));
  spec.code = std::move(code);
  const std::string directory = kCodeDirectory;
  switch (language) {
    case api::Language::kPython:
      spec.code_path = directory + "/main.py";
      spec.argv = {"python3", spec.code_path};
      break;
    case api::Language::kJavaScript:
      // From stdin, so that require() looks in the workspace, where installed packages are.
      spec.code_path = directory + "/main.js";
      spec.code_on_stdin = true;
      spec.argv = {"node", NodeHeapFlag(memory_bytes), "-"};
      spec.address_space_bytes = 0;
      break;
    case api::Language::kShell:
      spec.code_path = directory + "/main.sh";
      spec.argv = {"bash", spec.code_path};
      break;
  }
  return spec;
}

RunSpec SpecFor(const FileRequest& file, int64_t memory_bytes, int64_t disk_bytes,
                std::string workspace) {
  RunSpec spec = WithLimits(memory_bytes, disk_bytes, std::move(workspace));
  spec.file = file;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  spec.address_space_bytes = 0;  // their shadow memory is larger than any limit
#endif
  return spec;
}

RunSpec SpecFor(const api::InstallRequest& install, int64_t memory_bytes, int64_t disk_bytes,
                std::string workspace) {
  RunSpec spec = WithLimits(memory_bytes, disk_bytes, std::move(workspace));
  spec.packages = PackagesView::kAlone;
  spec.environment = InstallEnvironment(install, memory_bytes);
  switch (install.installer) {
    case api::Installer::kPip:
      AddPip(install, &spec);
      break;
    case api::Installer::kNpm:
      AddNpm(install, &spec);
      break;
  }
  return spec;
}

}  // namespace sandgate::runner
