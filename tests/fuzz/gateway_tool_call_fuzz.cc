// A body is refused in few words, or is a call whose Execution says exactly what was asked, as the
// API server stores it. The first byte names the tool.
#include "api-gateway/objects_logic.h"
#include "api-gateway/result_logic.h"
#include "api-gateway/tool_request_logic.h"
#include "tests/fuzz/fuzz_target.h"

namespace sandgate::gateway {
namespace {

constexpr size_t kMaxMessage = 1024;

void CheckCall(const ExecutionCall& call, std::string_view tool) {
  const std::string& named = SandboxIdOf(call);
  const std::string sandbox = named.empty() ? "sandbox-1" : named;
  const api::Json wanted = ExecutionFor(call, "execution-1", "ns", sandbox, {"who", ""});
  const auto stored = api::ParseJson(api::DumpJson(wanted));
  FUZZ_CHECK(stored.ok() && *stored == wanted);
  FUZZ_CHECK(SameRequest(*stored, wanted));
  const auto execution = api::Execution::FromJson(*stored);
  FUZZ_CHECK(execution.ok());
  FUZZ_CHECK(api::ToolName(execution->spec.operation) == tool);
  FUZZ_CHECK(execution->spec.path.find('\0') == std::string::npos);
  if (const auto* write = std::get_if<WriteFile>(&call)) {
    FUZZ_CHECK(execution->spec.content == write->content);
    FUZZ_CHECK(write->content.size() <= kMaxContentBytes);
  }
  const api::Json result = SandboxNotFound(*execution);
  FUZZ_CHECK(result["success"] == false && result["sandbox_id"] == sandbox);
}

void Try(std::string_view text) {
  if (text.empty()) return;
  const std::string_view tool = kToolNames[static_cast<uint8_t>(text[0]) % kToolNames.size()];
  const auto parsed = ParseToolCall(tool, text.substr(1));
  if (const auto* error = std::get_if<CallError>(&parsed)) {
    FUZZ_CHECK(error->status == 400 || error->status == 422);
    FUZZ_CHECK(!error->code.empty() && !error->message.empty());
    FUZZ_CHECK(error->message.size() <= kMaxMessage);
    FUZZ_CHECK((error->status == 422) == !error->field.empty());
  } else if (const auto* call = std::get_if<ExecutionCall>(&std::get<ToolCall>(parsed))) {
    CheckCall(*call, tool);
  }
}

}  // namespace
}  // namespace sandgate::gateway

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sandgate::gateway::Try(FuzzText(data, size));
  return 0;
}
