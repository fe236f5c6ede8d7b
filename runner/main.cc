// sandgate-runner: the one program of ours in every sandbox pod.
#include <cstdio>
#include <string>
#include <vector>

#include "libs/api/runner_protocol.h"
#include "runner/arguments.h"
#include "runner/install.h"
#include "runner/serve.h"
#include "runner/stage.h"

namespace sandgate::runner {
namespace {

constexpr int kUsageError = 2;

int Fail(const base::Status& status) {
  std::fprintf(stderr, "sandgate-runner: %s\n", status.ToString().c_str());
  return status.code() == base::Code::kInvalidArgument ? kUsageError : 1;
}

int RunInstall(const std::vector<std::string>& words) {
  const auto arguments = Arguments::Parse(words, {"--to", "--secret", "--identity"});
  if (!arguments.ok()) return Fail(arguments.status());
  const auto to = arguments->Required("--to");
  const auto secret = arguments->Required("--secret");
  const auto identity = arguments->Required("--identity");
  for (const auto* one : {&to, &secret, &identity}) {
    if (!one->ok()) return Fail(one->status());
  }
  const base::Status status = Install({*to, *secret, *identity});
  return status.ok() ? 0 : Fail(status);
}

int RunServe(const std::vector<std::string>& words) {
  const auto arguments = Arguments::Parse(
      words, {"--identity", "--sandbox-uid", "--workspace", "--address", "--port", "--disk-bytes"});
  if (!arguments.ok()) return Fail(arguments.status());
  const auto identity = arguments->Required("--identity");
  const auto sandbox_uid = arguments->Required("--sandbox-uid");
  if (!identity.ok()) return Fail(identity.status());
  if (!sandbox_uid.ok()) return Fail(sandbox_uid.status());
  const auto port = arguments->NumberOr("--port", api::kRunnerPort, 0, 65'535);
  const auto disk = arguments->NumberOr("--disk-bytes", 0, 0, int64_t{1} << 50);
  if (!port.ok()) return Fail(port.status());
  if (!disk.ok()) return Fail(disk.status());
  ServeOptions options;
  options.identity = *identity;
  options.sandbox_uid = *sandbox_uid;
  options.workspace = arguments->Or("--workspace", "/workspace");
  options.address = arguments->Or("--address", options.address);
  options.port = static_cast<uint16_t>(*port);
  options.disk_bytes = *disk;
  return Serve(options);
}

int Main(const std::vector<std::string>& words) {
  const std::string subcommand = words.empty() ? "" : words[0];
  if (subcommand == "run-stage" && words.size() == 1) return StageMain();
  const std::vector<std::string> rest(words.begin() + (words.empty() ? 0 : 1), words.end());
  if (subcommand == "install") return RunInstall(rest);
  if (subcommand == "serve") return RunServe(rest);
  std::fprintf(stderr,
               "usage: sandgate-runner install --to DIR --secret DIR --identity DIR\n"
               "       sandgate-runner serve --identity DIR --sandbox-uid UID [--workspace DIR]\n"
               "                             [--address IP] [--port N] [--disk-bytes N]\n");
  return kUsageError;
}

}  // namespace
}  // namespace sandgate::runner

int main(int argc, char** argv) {
  return sandgate::runner::Main(std::vector<std::string>(argv + 1, argv + argc));
}
