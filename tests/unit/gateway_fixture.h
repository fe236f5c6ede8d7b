// The gateway behind a socket, in front of an API server in memory. The test plays the operator.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <thread>

#include "api-gateway/gateway.h"
#include "tests/support/fake_transport.h"
#include "tests/unit/http_test_util.h"

namespace sandgate::gateway {

using api::Json;
using sandgate::testing::FakeTransport;
using sandgate::testing::Fault;
using FakeCall = sandgate::testing::Call;

inline constexpr char kAgent[] = "system:serviceaccount:agents:agent";

struct GatewayAnswer {
  int status = 0;
  std::string head;
  Json body;

  std::string Header(const std::string& name) const {
    const size_t at = head.find("\r\n" + name + ": ");
    if (at == std::string::npos) return "";
    const size_t begin = at + name.size() + 4;
    return head.substr(begin, head.find("\r\n", begin) - begin);
  }
};

class GatewayTest : public ::testing::Test {
 protected:
  void SetUp() override {
    fake_->SetVirtual(kube::kTokenReviews, [](const FakeCall& call, const Json& review) {
      EXPECT_EQ(call.token, "own") << "token reviews are the gateway's own";
      return Review(review);
    });
    GatewayOptions options;
    options.auth.required_audience = audience_;
    gateway_ = std::make_unique<Gateway>(kube::Api(fake_, "own"), options);
    gateway_->Start();
    fake_->WaitForWatches(1);
    http::ServerOptions server_options;
    server_options.address = "127.0.0.1";
    server_options.tls = false;
    server_options.max_body_bytes = 9 * 1024 * 1024 / 4;
    auto server = http::Server::Start(server_options,
                                      [this](http::Request request, http::Responder responder) {
                                        gateway_->Handle(std::move(request), std::move(responder));
                                      });
    ASSERT_TRUE(server.ok()) << server.status().message();
    server_ = std::move(server).value();
  }

  void TearDown() override {
    gateway_->Stop();
    server_->Stop(std::chrono::milliseconds(0));
  }

  // "agent", "other" and "user" are accepted tokens.
  static Json Review(Json review) {
    const std::string token = review["spec"]["token"];
    if (token == "agent") {
      review["status"] = {{"authenticated", true}, {"user", {{"username", kAgent}, {"uid", "u1"}}}};
    } else if (token == "other") {
      review["status"] = {{"authenticated", true},
                          {"user", {{"username", "system:serviceaccount:agents:other"}}}};
    } else if (token == "user") {
      review["status"] = {{"authenticated", true}, {"user", {{"username", "alice"}}}};
    } else if (token == "aud") {
      review["status"] = {
          {"authenticated", true}, {"audiences", {"sandgate"}}, {"user", {{"username", "alice"}}}};
    } else {
      review["status"] = {{"authenticated", false}};
    }
    return review;
  }

  std::string Message(const std::string& method, const std::string& target, const std::string& body,
                      const std::string& headers = "", const std::string& token = "agent") const {
    return method + " " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" +
           (token.empty() ? "" : "Authorization: Bearer " + token + "\r\n") +
           (method == "POST" ? "Content-Type: application/json\r\n" : "") + headers +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }

  static GatewayAnswer Parse(const std::string& text) {
    GatewayAnswer answer;
    const size_t end = text.find("\r\n\r\n");
    if (end == std::string::npos) return answer;
    answer.head = text.substr(0, end + 2);
    answer.status = std::atoi(answer.head.substr(9, 3).c_str());
    const auto body = api::ParseJson(text.substr(end + 4));
    if (body.ok()) answer.body = *body;
    return answer;
  }

  GatewayAnswer Send(const std::string& message) const {
    http::RawClient client(server_->port());
    EXPECT_TRUE(client.Send(message));
    return Parse(client.ReceiveAll());
  }

  GatewayAnswer Run(const std::string& body, const std::string& headers = "",
                    const std::string& token = "agent") const {
    return Send(Message("POST", "/v1/tools/code_execute", body, headers, token));
  }

  // Blocks until the API server holds an Execution that `seen` does not name.
  Json NewExecution(const std::set<std::string>& seen = {}) const {
    for (;;) {
      for (const Json& object : fake_->All(kube::kExecutions)) {
        if (!seen.contains(object["metadata"]["name"].get<std::string>())) return object;
      }
      std::this_thread::yield();
    }
  }

  void Finish(const Json& execution, Json status) const {
    fake_->Put(kube::kExecutions, {{"metadata",
                                    {{"name", execution["metadata"]["name"]},
                                     {"namespace", execution["metadata"]["namespace"]}}},
                                   {"status", std::move(status)}});
  }

  static Json Succeeded(const std::string& out) {
    return {{"phase", "Succeeded"},
            {"exitCode", 0},
            {"stdout", out},
            {"stderr", ""},
            {"executionTimeMillis", 12}};
  }

  size_t Writes() const { return static_cast<size_t>(fake_->CountWrites()); }

  // How many objects there are that a call could have made.
  size_t Objects() const {
    return fake_->All(kube::kExecutions).size() + fake_->All(kube::kSandboxes).size();
  }

  std::string audience_;
  std::shared_ptr<FakeTransport> fake_ = std::make_shared<FakeTransport>();
  std::unique_ptr<Gateway> gateway_;
  std::unique_ptr<http::Server> server_;
};

inline const std::string kPrint = R"({"language":"python","code":"print 1"})";

}  // namespace sandgate::gateway
