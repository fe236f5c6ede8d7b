// Runs programs through the runner's engine, one after the other, without any network: for trying
// the engine inside a container. With pid 1 it is what the runner is in a sandbox.
//
//   runner-driver [--memory BYTES] [--disk BYTES] [--timeout MILLIS] [--output BYTES]
//                 [--attacks DIR --language LANGUAGE] FILE...
//
// The language of a file is its suffix (.py, .js, .sh). Prints one block for each. With --attacks,
// runs the scenarios of tests/e2e/attacks in that language as well; the exit code counts failures.
#include <sys/prctl.h>

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

constexpr size_t kShownBytes = 8000;

struct Arguments {
  SupervisorOptions options{"/workspace", int64_t{1024} << 20};
  api::RunRequest request;
  std::vector<std::string> files;
  std::string attacks, language = "python";
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
    } else if (argument == "--attacks" && has_value) {
      arguments.attacks = argv[++i];
    } else if (argument == "--language" && has_value) {
      arguments.language = argv[++i];
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

void Print(const std::string& name, const api::RunState& state) {
  std::printf("=== %s: %s exit=%lld %lldms out=%zu%s err=%zu%s %s\n", name.c_str(),
              api::RunOutcomeName(state.outcome), static_cast<long long>(state.exit_code),
              static_cast<long long>(state.duration_millis), state.out.size(),
              state.out_truncated ? "(cut)" : "", state.err.size(),
              state.err_truncated ? "(cut)" : "", state.error_message.c_str());
}

void PrintOutput(const api::RunState& state) {
  std::printf("%s", state.out.substr(0, kShownBytes).c_str());
  if (!state.err.empty()) std::printf("--- stderr\n%s", state.err.substr(0, kShownBytes).c_str());
}

std::string Text(const std::string& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

// Whether the run ended as the table of attacks says it must.
bool AsExpected(const api::Json& step, const api::RunState& state) {
  bool outcome = false;
  for (const auto& one : api::Member(step, "outcomes")) {
    outcome = outcome || one == api::RunOutcomeName(state.outcome);
  }
  const std::string says = api::StringOr(step, "says");
  const std::string said = state.out + state.err + state.error_message;
  return outcome && said.find(says) != std::string::npos &&
         api::IntOr(step, "exitCode", state.exit_code) == state.exit_code;
}

// Every scenario of DIR/attacks.json in one language. Returns how many steps went wrong.
int Attack(RunSupervisor& engine, const Arguments& arguments) {
  const auto table = api::ParseJson(Text(arguments.attacks + "/attacks.json"));
  if (!table.ok()) return std::fprintf(stderr, "%s\n", table.status().ToString().c_str()), 1;
  int wrong = 0;
  for (const auto& scenario : *table) {
    const auto language = api::ParseLanguage(api::StringOr(scenario, "language"));
    if (!language || api::LanguageName(*language) != arguments.language) continue;
    for (const auto& step : api::Member(scenario, "steps")) {
      api::RunRequest request = arguments.request;
      request.language = *language;
      request.timeout_millis = api::IntOr(step, "timeoutSeconds") * 1000;
      std::string name = api::StringOr(scenario, "name");
      for (const auto& file : api::Member(step, "files")) {
        request.code += Text(arguments.attacks + "/" + file.get<std::string>()) + "\n";
        name += " " + file.get<std::string>();
      }
      auto state = engine.Run(request);
      if (!state.ok()) return std::fprintf(stderr, "%s\n", state.status().ToString().c_str()), 1;
      Print((AsExpected(step, *state) ? "ok    " : "WRONG ") + name, *state);
      if (AsExpected(step, *state)) continue;
      ++wrong;
      PrintOutput(*state);
    }
  }
  std::printf("%d steps went wrong\n", wrong);
  return wrong;
}

int Main(int argc, char** argv) {
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  sigprocmask(SIG_BLOCK, &child, nullptr);
  if (prctl(PR_SET_DUMPABLE, 0) != 0) return 1;  // as the runner does
  Arguments arguments = Parse(argc, argv);
  auto spawner = Spawner::Create();
  if (!spawner.ok()) return std::fprintf(stderr, "%s\n", spawner.status().ToString().c_str()), 1;
  auto engine = RunSupervisor::Create(arguments.options, std::move(spawner).value());
  if (!engine.ok()) return std::fprintf(stderr, "%s\n", engine.status().ToString().c_str()), 1;
  for (const std::string& file : arguments.files) {
    const auto language = LanguageOf(file);
    if (!language) continue;
    arguments.request.language = *language;
    arguments.request.code = Text(file);
    auto state = (*engine)->Run(arguments.request);
    if (!state.ok()) return std::fprintf(stderr, "%s\n", state.status().ToString().c_str()), 1;
    Print(file, *state);
    PrintOutput(*state);
    std::fflush(stdout);
  }
  return arguments.attacks.empty() ? 0 : Attack(**engine, arguments);
}

}  // namespace
}  // namespace sandgate::runner

int main(int argc, char** argv) {
  if (argc == 2 && std::string(argv[1]) == "run-stage") return sandgate::runner::StageMain();
  return sandgate::runner::Main(argc, argv);
}
