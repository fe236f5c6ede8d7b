// What callers send, and how it is refused: one line of a table for each mistake.
#include <gtest/gtest.h>

#include "api-gateway/auth.h"
#include "api-gateway/options.h"
#include "api-gateway/parameters_logic.h"
#include "api-gateway/request_logic.h"
#include "api-gateway/tool_request_logic.h"
#include "libs/api/json.h"

namespace sandgate::gateway {
namespace {

TEST(GatewayToolRequest, AFullCall) {
  const auto parsed =
      ParseToolCall("code_execute",
                    R"({"language":"python","code":"print 1","timeout":60,"network_enabled":true,
          "allowed_domains":["files.example.com","*.example.org"],
          "limits":{"max_memory_mb":1024,"max_cpu_cores":1.5,"max_disk_mb":2048,
                    "max_execution_time":60,"max_output_bytes":1000}})");
  const auto* call = std::get_if<ToolCall>(&parsed);
  ASSERT_NE(call, nullptr) << std::get<CallError>(parsed).message;
  const auto& execute = std::get<CodeExecute>(std::get<ExecutionCall>(*call));
  EXPECT_EQ(execute.language, api::Language::kPython);
  EXPECT_EQ(execute.code, "print 1");
  EXPECT_EQ(execute.sandbox_id, "");
  EXPECT_EQ(execute.timeout, 60);
  EXPECT_TRUE(execute.network_enabled);
  EXPECT_EQ(execute.allowed_domains.size(), 2U);
  EXPECT_EQ(execute.limits.max_memory_mb, 1024);
  EXPECT_DOUBLE_EQ(*execute.limits.max_cpu_cores, 1.5);
}

TEST(GatewayToolRequest, NullMeansAbsent) {
  const auto parsed = ParseToolCall(
      "code_execute", R"({"language":"shell","code":"ls","sandbox_id":null,"timeout":null,
                          "network_enabled":null,"allowed_domains":null,"limits":null})");
  const auto* call = std::get_if<ToolCall>(&parsed);
  ASSERT_NE(call, nullptr);
  EXPECT_EQ(std::get<CodeExecute>(std::get<ExecutionCall>(*call)).timeout, std::nullopt);
}

struct BadBody {
  const char* tool;
  std::string body;
  unsigned status;
  const char* field;
  const char* says;
};

std::string With(const std::string& members) {
  return R"({"language":"python","code":"print 1",)" + members + "}";
}

std::vector<BadBody> BadBodies() {
  const char* run = "code_execute";
  const std::string long_code(2'000'000, 'x');
  std::string many_domains = R"("network_enabled":true,"allowed_domains":["a.example.com")";
  for (int i = 0; i < 64; ++i) many_domains += R"(,"a.example.com")";
  return {
      {run, "", 400, "", "not valid JSON"},
      {run, "{", 400, "", "not valid JSON"},
      {run, "[]", 400, "", "JSON object"},
      {run, "null", 400, "", "JSON object"},
      {run, R"({"language":"python","code":"x"} x)", 400, "", "not valid JSON"},
      {run, R"({"language":"python","code":"x","code":"y"})", 400, "", "stands twice"},
      {run, With(R"("limits":)" + std::string(5000, '[') + std::string(5000, ']')), 400, "",
       "nested deeper"},
      {run, "{\"language\":\"python\",\"code\":\"\xff\xfe\"}", 400, "", "not valid JSON"},
      {run, "{}", 422, "language", "is required"},
      {run, R"({"code":"x"})", 422, "language", "is required"},
      {run, R"({"language":"python"})", 422, "code", "is required"},
      {run, R"({"language":"ruby","code":"x"})", 422, "language", "python, javascript or shell"},
      {run, R"({"language":"Python","code":"x"})", 422, "language", "python, javascript or shell"},
      {run, R"({"language":3,"code":"x"})", 422, "language", "must be a string"},
      {run, R"({"language":"python","code":""})", 422, "code", "must not be empty"},
      {run, R"({"language":"python","code":["x"]})", 422, "code", "must be a string"},
      {run, R"({"language":"python","code":")" + long_code + "\"}", 422, "code",
       "has 2000000 bytes; at most 262144"},
      {run, With(R"("timeout":-1)"), 422, "timeout", "from 1 to 86400"},
      {run, With(R"("timeout":0)"), 422, "timeout", "from 1 to 86400"},
      {run, With(R"("timeout":86401)"), 422, "timeout", "from 1 to 86400"},
      {run, With(R"("timeout":1.5)"), 422, "timeout", "whole number"},
      {run, With(R"("timeout":"30")"), 422, "timeout", "whole number"},
      {run, With(R"("timeout":true)"), 422, "timeout", "whole number"},
      {run, With(R"("timeout":18446744073709551615)"), 422, "timeout", "from 1 to 86400"},
      {run, With(R"("timeout":1e400)"), 400, "", "not valid JSON"},
      {run, With(R"("network_enabled":"yes")"), 422, "network_enabled", "true or false"},
      {run, With(R"("network_enabled":1)"), 422, "network_enabled", "true or false"},
      {run, With(R"("allowed_domains":["a.example.com"])"), 422, "allowed_domains",
       "network_enabled"},
      {run, With(R"("network_enabled":true,"allowed_domains":"a.example.com")"), 422,
       "allowed_domains", "list"},
      {run, With(R"("network_enabled":true,"allowed_domains":[1])"), 422, "allowed_domains[0]",
       "string"},
      {run, With(R"("network_enabled":true,"allowed_domains":["a.example.com","https://b.com"])"),
       422, "allowed_domains[1]", "domain"},
      {run, With(many_domains + "]"), 422, "allowed_domains", "at most 64"},
      {run, With(R"("sandbox_id":"Not_A_Name")"), 422, "sandbox_id", "lower-case"},
      {run, With(R"("sandbox_id":"../../x")"), 422, "sandbox_id", "lower-case"},
      {run, With(R"("sandbox_id":")" + std::string(53, 'a') + "\""), 422, "sandbox_id", "52"},
      {run, With(R"("sandbox_id":7)"), 422, "sandbox_id", "string"},
      {run, With(R"("time_out":3)"), 422, "time_out", "is not a parameter"},
      {run, With(R"("limits":3)"), 422, "limits", "object"},
      {run, With(R"("limits":{"max_memory":1})"), 422, "limits.max_memory", "is not a parameter"},
      {run, With(R"("limits":{"max_memory_mb":0})"), 422, "limits.max_memory_mb", "from 1"},
      {run, With(R"("limits":{"max_cpu_cores":-1})"), 422, "limits.max_cpu_cores", "0.01 to 64"},
      {run, With(R"("sandbox_id":"a","limits":{})"), 422, "limits", "new sandbox"},
      {"code_destroy_sandbox", "{}", 422, "sandbox_id", "is required"},
      {"code_destroy_sandbox", R"({"sandbox_id":""})", 422, "sandbox_id", "empty"},
      {"code_destroy_sandbox", R"({"sandbox_id":"a","force":true})", 422, "force", "parameter"},
      {"code_teleport", "{}", 404, "", "no such tool"},
      {"", "{}", 404, "", "no such tool"},
  };
}

TEST(GatewayToolRequest, EveryMistakeIsNamed) {
  for (const BadBody& bad : BadBodies()) {
    const auto parsed = ParseToolCall(bad.tool, bad.body);
    const auto* error = std::get_if<CallError>(&parsed);
    ASSERT_NE(error, nullptr) << bad.body.substr(0, 200);
    EXPECT_EQ(error->status, bad.status) << bad.body.substr(0, 200) << error->message;
    EXPECT_EQ(error->field, bad.field) << bad.body.substr(0, 200);
    EXPECT_NE(error->message.find(bad.says), std::string::npos)
        << bad.body.substr(0, 200) << "\n says " << error->message;
    EXPECT_LT(error->message.size(), 500U);
  }
}

// As they would be granted, or what is wrong with one.
std::string Domains(const std::string& list) {
  const auto parsed =
      ParseToolCall("code_execute", With(R"("network_enabled":true,"allowed_domains":)" + list));
  if (const auto* error = std::get_if<CallError>(&parsed)) return error->message;
  std::string text;
  for (const std::string& domain :
       std::get<CodeExecute>(std::get<ExecutionCall>(std::get<ToolCall>(parsed))).allowed_domains) {
    text += (text.empty() ? "" : " ") + domain;
  }
  return text;
}

TEST(GatewayToolRequest, DomainsAreSentOnInNormalForm) {
  const struct {
    const char* list;
    const char* domains;
  } rows[] = {
      {R"(["example.com","*.example.com"])", "example.com *.example.com"},
      {R"(["Example.COM","example.com."])", "example.com"},
      {R"(["b\u00fccher.example"])", "xn--bcher-kva.example"},
      {R"(["*.B\u00dcCHER.example"])", "*.xn--bcher-kva.example"},
      {R"([])", ""},
  };
  for (const auto& row : rows) EXPECT_EQ(Domains(row.list), row.domains) << row.list;
}

TEST(GatewayToolRequest, WhatIsNoDomainIsNamed) {
  for (const char* bad : {".",
                          "com",
                          "*.",
                          "*",
                          "*.com",
                          "*.co.uk",
                          "a.*.com",
                          ".example.com",
                          "example.com..",
                          "a..com",
                          "-a.com",
                          "a-.com",
                          "10.0.0.1",
                          "0x7f.1",
                          "[::1]",
                          "::1",
                          "a.com:443",
                          "a.com/x",
                          "https://a.com",
                          "exa mple.com",
                          "user@a.com",
                          "a%2ecom.com",
                          "example.1a",
                          "a_b.com",
                          "xn--a.com"}) {
    const std::string error = Domains(R"(["ok.example",")" + std::string(bad) + "\"]");
    EXPECT_EQ(error.find("allowed_domains[1]: must be a domain"), 0u) << bad << ": " << error;
  }
  EXPECT_NE(Domains(R"(["*.co.uk"])").find("public suffix"), std::string::npos);
  EXPECT_EQ(Domains(R"([""])").find("allowed_domains[0]"), 0u);
  EXPECT_EQ(Domains("[\"" + std::string(64, 'a') + ".com\"]").find("allowed_domains[0]"), 0u);
  std::string long_list = "[";
  for (int i = 0; i < 20; ++i) {
    long_list += (i == 0 ? "\"" : ",\"") + std::string(60, static_cast<char>('a' + i)) + "." +
                 std::string(60, 'b') + "." + std::string(60, 'c') + "." + std::string(60, 'd') +
                 ".com\"";
  }
  EXPECT_NE(Domains(long_list + "]").find("4096 characters"), std::string::npos);
}

http::Request Get(const std::string& target) {
  http::Request request;
  request.method = "GET";
  request.target = target;
  request.headers = {{"Authorization", "Bearer abc"}};
  return request;
}

http::Request Post(const std::string& target, std::vector<http::Header> more = {}) {
  http::Request request = Get(target);
  request.method = "POST";
  request.headers.push_back({"Content-Type", "application/json; charset=utf-8"});
  for (http::Header& header : more) request.headers.push_back(std::move(header));
  return request;
}

TEST(GatewayRequestLine, WhatIsAskedFor) {
  const auto parsed =
      ParseRequest(Post("/v1/tools/code_execute", {{"Prefer", "Respond-Async, x"},
                                                   {"Idempotency-Key", " k-1 "},
                                                   {"Sandgate-Namespace", "agents"}}));
  const auto& request = std::get<GatewayRequest>(parsed);
  EXPECT_EQ(request.route, Route::kTool);
  EXPECT_EQ(request.name, "code_execute");
  EXPECT_EQ(request.token, "abc");
  EXPECT_EQ(request.idempotency_key, "k-1");
  EXPECT_EQ(request.ns, "agents");
  EXPECT_TRUE(request.respond_async);
  EXPECT_EQ(request.wait, kMaxWait);

  const auto get = ParseRequest(Get("/v1/executions/execution-1?wait=30s"));
  EXPECT_EQ(std::get<GatewayRequest>(get).name, "execution-1");
  EXPECT_EQ(std::get<GatewayRequest>(get).wait.count(), 30);
  EXPECT_EQ(std::get<GatewayRequest>(ParseRequest(Get("/v1/executions/e"))).wait.count(), 0);
  EXPECT_EQ(
      std::get<GatewayRequest>(ParseRequest(Post("/v1/tools/code_execute", {{"Prefer", "wait=5"}})))
          .wait.count(),
      5);
}

TEST(GatewayRequestLine, EveryMistakeIsNamed) {
  struct Row {
    http::Request request;
    unsigned status;
    const char* field;
  };
  const auto without = [](http::Request request, const char* header) {
    std::erase_if(request.headers, [&](const http::Header& h) { return h.name == header; });
    return request;
  };
  const std::string run = "/v1/tools/code_execute";
  const Row rows[] = {
      {Get("/"), 404, ""},
      {Get("/v2/tools"), 404, ""},
      {Get(run), 405, ""},
      {Post("/v1/executions/e"), 405, ""},
      {Get("/v1/executions/"), 404, ""},
      {Get("/v1/executions/a/b"), 404, ""},
      {Get("/v1/executions/%2e%2e"), 404, ""},
      {Get("/v1/executions/e?wait=11m"), 400, "wait"},
      {Get("/v1/executions/e?wait=-1"), 400, "wait"},
      {Get("/v1/executions/e?wait=1h"), 400, "wait"},
      {Get("/v1/executions/e?wait=99999999999999999999"), 400, "wait"},
      {without(Post(run), "Authorization"), 401, "Authorization"},
      {Post(run, {{"Authorization", "Bearer x"}}), 400, "Authorization"},
      {without(Post(run), "Content-Type"), 415, "Content-Type"},
      {Post(run, {{"Sandgate-Namespace", "../kube-system"}}), 400, "Sandgate-Namespace"},
      {Post(run, {{"Sandgate-Namespace", ""}}), 400, "Sandgate-Namespace"},
      {Post(run, {{"Sandgate-Namespace", "a"}, {"Sandgate-Namespace", "b"}}), 400,
       "Sandgate-Namespace"},
      {Post(run, {{"Idempotency-Key", ""}}), 400, "Idempotency-Key"},
      {Post(run, {{"Idempotency-Key", std::string(256, 'k')}}), 400, "Idempotency-Key"},
      {Post(run, {{"Idempotency-Key", "\x01"}}), 400, "Idempotency-Key"},
      {Post(run, {{"Idempotency-Key", "a"}, {"Idempotency-Key", "a"}}), 400, "Idempotency-Key"},
  };
  for (const Row& row : rows) {
    const auto parsed = ParseRequest(row.request);
    const auto* error = std::get_if<RequestError>(&parsed);
    ASSERT_NE(error, nullptr) << row.request.target << " " << row.field;
    EXPECT_EQ(error->error.status, row.status) << row.request.target << " " << row.field;
    EXPECT_EQ(error->error.field, row.field) << row.request.target;
  }
}

// A label for every word that callers invent would be a leak of memory.
TEST(GatewayRequestLine, LabelsAreAFixedFew) {
  EXPECT_EQ(std::get<GatewayRequest>(ParseRequest(Post("/v1/tools/evil-1"))).label, "other_tool");
  EXPECT_EQ(std::get<RequestError>(ParseRequest(Get("/evil"))).label, "other");
}

TEST(GatewayAuth, BearerTokens) {
  EXPECT_EQ(BearerToken("Bearer abc.d-e_f~+/=="), "abc.d-e_f~+/==");
  EXPECT_EQ(BearerToken("bearer x"), "x");
  for (const char* bad :
       {"", "Bearer", "Bearer ", "Basic abc", "Bearer a b", "Bearer a\tb", "abc"}) {
    EXPECT_EQ(BearerToken(bad), std::nullopt) << bad;
  }
  EXPECT_EQ(BearerToken("Bearer " + std::string(20'000, 'a')), std::nullopt);
  EXPECT_EQ(ServiceAccountNamespace("system:serviceaccount:agents:a1"), "agents");
  EXPECT_EQ(ServiceAccountNamespace("alice"), "");
  EXPECT_EQ(ServiceAccountNamespace("system:serviceaccount:x"), "");
}

TEST(GatewayOptions, BothSpellings) {
  const auto parsed = ParseOptions({"--tls-cert=a", "--tls-key", "b", "--listen", "127.0.0.1:1",
                                    "--health=[::1]:2", "--required-audience=x"});
  const auto& options = std::get<Options>(parsed);
  EXPECT_EQ(options.tls_cert, "a");
  EXPECT_EQ(options.listen.port, 1);
  EXPECT_EQ(options.health.host, "::1");
  EXPECT_EQ(options.required_audience, "x");
}

TEST(GatewayOptions, Mistakes) {
  const std::vector<std::vector<std::string>> rows = {
      {},
      {"--tls-cert", "a"},
      {"--tls-cert", "a", "--tls-key"},
      {"--tls-cert", "a", "--tls-key", "b", "--listen", "8443"},
      {"--tls-cert", "a", "--tls-key", "b", "--listen", "x:99999"},
      {"--tls-cert", "a", "--tls-key", "b", "--listn", "x:1"},
      {"--tls-cert", "a", "--tls-key", "b", "extra"}};
  for (const auto& row : rows) {
    EXPECT_TRUE(std::holds_alternative<std::string>(ParseOptions(row)));
  }
}

}  // namespace
}  // namespace sandgate::gateway
