// From a call to its objects, and from an object's ConfigMap to its output.
#include <gtest/gtest.h>
#include <zlib.h>

#include "api-gateway/gunzip.h"
#include "api-gateway/objects_logic.h"
#include "api-gateway/parameters_logic.h"
#include "libs/api/runner_protocol.h"

namespace sandgate::gateway {
namespace {

CodeExecute Call() {
  CodeExecute call;
  call.code = "print(1)";
  return call;
}

TEST(GatewayObjects, WhatCodeBecomes) {
  CodeExecute call = Call();
  call.timeout = 60;
  call.network_enabled = true;
  call.allowed_domains = {"files.example.com"};
  call.limits.max_memory_mb = 1024;
  call.limits.max_cpu_cores = 0.25;
  call.limits.max_execution_time = 90;
  const api::Requester who{"alice", "u1"};
  EXPECT_EQ(SandboxFor(call, "s", "ns", who)["spec"],
            api::Json({{"language", "python"},
                       {"requester", {{"username", "alice"}, {"uid", "u1"}}},
                       {"network", {{"enabled", true}, {"allowedDomains", {"files.example.com"}}}},
                       {"resources", {{"memory", "1024Mi"}, {"cpu", "250m"}}},
                       {"limits", {{"timeoutSeconds", 90}}}}));
  const api::Json execution = ExecutionFor(call, "e", "ns", "s", who);
  EXPECT_EQ(
      execution["spec"],
      api::Json({{"sandboxName", "s"},
                 {"operation", "Execute"},
                 {"requester", {{"username", "alice"}, {"uid", "u1"}}},
                 {"execute", {{"language", "python"}, {"code", "print(1)"}}},
                 {"timeoutSeconds", 60},
                 {"network", {{"enabled", true}, {"allowedDomains", {"files.example.com"}}}}}));
  api::Json stored = execution;
  EXPECT_TRUE(api::Execution::FromJson(stored).ok());
}

TEST(GatewayObjects, NamesFollowTheKeyAndTheCaller) {
  const CallNames one = NamesFor("ns", "alice", "k");
  EXPECT_EQ(one.execution, NamesFor("ns", "alice", "k").execution);
  EXPECT_EQ(one.new_sandbox, NamesFor("ns", "alice", "k").new_sandbox);
  EXPECT_NE(one.execution, NamesFor("ns", "bob", "k").execution);
  EXPECT_NE(one.execution, NamesFor("n", "salice", "k").execution);
  EXPECT_NE(one.execution, NamesFor("ns", "alice", "K").execution);
  EXPECT_NE(NamesFor("ns", "a", "").execution, NamesFor("ns", "a", "").execution);
  EXPECT_TRUE(IsDnsLabel(one.execution, 63));
  EXPECT_TRUE(IsDnsLabel(one.new_sandbox, 52));
  EXPECT_EQ(one.new_sandbox.size(), std::string("sandbox-").size() + 12);
}

TEST(GatewayObjects, TheSameRequest) {
  const api::Requester who{"alice", ""};
  const api::Json wanted = ExecutionFor(Call(), "e", "ns", "s", who);
  api::Json stored = wanted;
  stored["spec"]["requester"]["uid"] = "stamped";
  stored["spec"]["cancel"] = true;
  stored["metadata"]["uid"] = "x";
  EXPECT_TRUE(SameRequest(stored, wanted));
  CodeExecute other = Call();
  other.code = "print(2)";
  EXPECT_FALSE(SameRequest(stored, ExecutionFor(other, "e", "ns", "s", who)));
  // Limits are the sandbox's, and still a part of the call.
  other = Call();
  other.limits.max_memory_mb = 64;
  EXPECT_FALSE(SameRequest(stored, ExecutionFor(other, "e", "ns", "s", who)));
  EXPECT_FALSE(SameRequest(stored, ExecutionFor(Call(), "e", "ns", "s", {"bob", ""})));
}

api::Json SpecOf(const ExecutionCall& call) {
  api::Json spec = ExecutionFor(call, "e", "ns", "s", {"alice", ""})["spec"];
  EXPECT_EQ(spec["sandboxName"], "s");
  EXPECT_EQ(spec["requester"]["username"], "alice");
  return spec;
}

TEST(GatewayObjects, WhatTheOtherToolsBecome) {
  EXPECT_EQ(SpecOf(InstallPackage{"s", "axios@1.6.0", "npm", {}})["installPackage"],
            api::Json({{"package", "axios@1.6.0"}, {"registry", "npm"}}));
  // Nothing is filled in: what is absent is resolved when it is used.
  EXPECT_EQ(SpecOf(InstallPackage{"s", "requests", "", {}})["installPackage"],
            api::Json({{"package", "requests"}}));
  EXPECT_FALSE(SpecOf(InstallPackage{"s", "requests", "", {}}).contains("timeoutSeconds"));
  EXPECT_EQ(SpecOf(InstallPackage{"s", "requests", "", 120})["timeoutSeconds"], 120);
  EXPECT_EQ(SpecOf(WriteFile{"s", "a/b", "text", true, false, ""})["writeFile"],
            api::Json({{"path", "a/b"}, {"content", "text"}}));
  EXPECT_EQ(SpecOf(WriteFile{"s", "run.sh", "", true, true, "0755"})["writeFile"],
            api::Json({{"path", "run.sh"}, {"content", ""}, {"append", true}, {"mode", "0755"}}));
  EXPECT_EQ(SpecOf(WriteFile{"s", "b", std::string("\x00\xff", 2), false, false, ""})["writeFile"],
            api::Json({{"path", "b"}, {"contentBase64", "AP8="}}));
  EXPECT_EQ(SpecOf(ReadFile{"s", "b", "base64"})["readFile"],
            api::Json({{"path", "b"}, {"encoding", "base64"}}));
  EXPECT_EQ(SpecOf(ReadFile{"s", "b", ""})["readFile"], api::Json({{"path", "b"}}));
  EXPECT_EQ(SpecOf(ListFiles{"s", "data", 5, "c"})["listFiles"],
            api::Json({{"path", "data"}, {"limit", 5}, {"cursor", "c"}}));
  EXPECT_EQ(SpecOf(ListFiles{"s", "", {}, ""})["listFiles"], api::Json::object());
}

// The API server stores `<` as six bytes: half a megabyte of them would be three in etcd.
TEST(GatewayObjects, TextThatEtcdWouldBlowUpGoesAsBase64) {
  const auto fields = [](const std::string& text) {
    return SpecOf(WriteFile{"s", "f", text, true, false, ""})["writeFile"];
  };
  EXPECT_EQ(fields(std::string(kMaxContentBytes, 'x'))["content"].get<std::string>().size(),
            kMaxContentBytes);
  EXPECT_TRUE(fields("<html>&\n\"").contains("content"));
  for (const char c : {'<', '&', '\x01'}) {
    const std::string text(kMaxContentBytes, c);
    const api::Json spec = fields(text);
    EXPECT_FALSE(spec.contains("content"));
    EXPECT_EQ(api::Base64Decode(spec["contentBase64"].get<std::string>()), text);
  }
}

TEST(GatewayObjects, TheSameRequestOfAFile) {
  const WriteFile call{"s", "f", "text", true, false, ""};
  const api::Json wanted = ExecutionFor(call, "e", "ns", "s", {"alice", ""});
  const auto same = [&](const WriteFile& other) {
    return SameRequest(wanted, ExecutionFor(other, "e", "ns", "s", {"alice", ""}));
  };
  EXPECT_TRUE(same(call));
  EXPECT_FALSE(same({"s", "g", "text", true, false, ""}));
  EXPECT_FALSE(same({"s", "f", "texts", true, false, ""}));
  EXPECT_FALSE(same({"s", "f", "text", true, true, ""}));
  EXPECT_FALSE(same({"s", "f", "text", true, false, "0644"}));
}

std::string Gzip(const std::string& text) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 9, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  std::string in = text;
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

TEST(GatewayGunzip, OnlyTheWholeAndNothingElse) {
  const std::string text(1'000'000, 'a');
  const std::string packed = Gzip(text);
  EXPECT_EQ(Gunzip(packed, text.size()), text);
  EXPECT_EQ(Gunzip(Gzip(""), 0), "");
  EXPECT_EQ(Gunzip(packed, text.size() - 1), std::nullopt);  // a bomb stops at its limit
  EXPECT_EQ(Gunzip(packed, text.size() + 1), std::nullopt);
  EXPECT_EQ(Gunzip(packed.substr(0, packed.size() - 1), text.size()), std::nullopt);
  EXPECT_EQ(Gunzip(packed + "x", text.size()), std::nullopt);
  EXPECT_EQ(Gunzip("not gzip", 8), std::nullopt);
  EXPECT_EQ(Gunzip("", 0), std::nullopt);
}

}  // namespace
}  // namespace sandgate::gateway
