// Runs programs through the runner's engine, one after the other, without any network: for trying
// the engine inside a container. With pid 1 it is what the runner is in a sandbox.
//
//   runner-driver [--memory BYTES] [--disk BYTES] [--timeout MILLIS] [--output BYTES] FILE...
//
// The language of a file is its suffix (.py, .js, .sh). Prints one block for each.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "runner/run_supervisor.h"
#include "runner/stage.h"

namespace sandgate::runner {
namespace {

struct Arguments {
  SupervisorOptions options{"/workspace", int64_t{1024} << 20};
  api::RunRequest request;
  std::vector<std::string> files;
};

Arguments Parse(int argc, char** argv) {
  Arguments arguments;
  arguments.request.timeout_millis = 30'000;
  arguments.request.memory_bytes = int64_t{512} << 20;
  arguments.request.output_bytes = 1 << 20;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const bool has_value = i + 1 < argc;
    if (argument == "--memory" && has_value) {
      arguments.request.memory_bytes = std::atoll(argv[++i]);
    } else if (argument == "--disk" && has_value) {
      arguments.options.disk_bytes = std::atoll(argv[++i]);
    } else if (argument == "--timeout" && has_value) {
      arguments.request.timeout_millis = std::atoll(argv[++i]);
    } else if (argument == "--output" && has_value) {
      arguments.request.output_bytes = std::atoll(argv[++i]);
    } else if (argument == "--workspace" && has_value) {
      arguments.options.workspace = argv[++i];
    } else {
      arguments.files.push_back(argument);
    }
  }
  return arguments;
}

std::optional<api::Language> LanguageOf(const std::string& file) {
  if (file.ends_with(".py")) return api::Language::kPython;
  if (file.ends_with(".js")) return api::Language::kJavaScript;
  if (file.ends_with(".sh")) return api::Language::kShell;
  return std::nullopt;
}

void Print(const std::string& file, const api::RunState& state) {
  std::printf("=== %s: %s exit=%lld %lldms out=%zu%s err=%zu%s %s\n", file.c_str(),
              api::RunOutcomeName(state.outcome), static_cast<long long>(state.exit_code),
              static_cast<long long>(state.duration_millis), state.out.size(),
              state.out_truncated ? "(cut)" : "", state.err.size(),
              state.err_truncated ? "(cut)" : "", state.error_message.c_str());
  std::printf("%s", state.out.substr(0, 4000).c_str());
  if (!state.err.empty()) std::printf("--- stderr\n%s", state.err.substr(0, 4000).c_str());
  std::fflush(stdout);
}

int Main(int argc, char** argv) {
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  sigprocmask(SIG_BLOCK, &child, nullptr);
  Arguments arguments = Parse(argc, argv);
  auto spawner = Spawner::Create();
  if (!spawner.ok()) return std::fprintf(stderr, "%s\n", spawner.status().ToString().c_str()), 1;
  auto engine = RunSupervisor::Create(arguments.options, std::move(spawner).value());
  if (!engine.ok()) return std::fprintf(stderr, "%s\n", engine.status().ToString().c_str()), 1;
  for (const std::string& file : arguments.files) {
    const auto language = LanguageOf(file);
    if (!language) continue;
    std::ostringstream code;
    code << std::ifstream(file).rdbuf();
    arguments.request.language = *language;
    arguments.request.code = code.str();
    auto state = (*engine)->Run(arguments.request);
    if (!state.ok()) return std::fprintf(stderr, "%s\n", state.status().ToString().c_str()), 1;
    Print(file, *state);
  }
  return 0;
}

}  // namespace
}  // namespace sandgate::runner

int main(int argc, char** argv) {
  if (argc == 2 && std::string(argv[1]) == "run-stage") return sandgate::runner::StageMain();
  return sandgate::runner::Main(argc, argv);
}
