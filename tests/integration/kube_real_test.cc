// What only a real API server can answer: identities, refusals, sizes, pages.
#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>

#include "libs/http/tls.h"
#include "libs/kube/events.h"
#include "tests/integration/kube_integration_env.h"
#include "tests/support/raw_server.h"

namespace sandgate::kube {
namespace {

using api::Json;
using base::Code;

struct Real : ::testing::Test {
  Api api{RealTransport()};
  std::string ns = NewNamespace(api);

  static std::string WhoIs(const Api& caller) {
    const auto review =
        caller.Create(kSelfSubjectReviews, "",
                      {{"apiVersion", "authentication.k8s.io/v1"}, {"kind", "SelfSubjectReview"}});
    return review.ok() ? (*review)["status"]["userInfo"]["username"].get<std::string>()
                       : review.status().ToString();
  }
};

// Our certificate is cluster-admin's: were it shown beside carol's token, carol would be admin.
TEST_F(Real, ACallersTokenIsTheCaller) {
  EXPECT_EQ(WhoIs(api), "admin");
  EXPECT_EQ(WhoIs(api.WithToken(TokenOf("carol"))), "carol");
  EXPECT_EQ(WhoIs(api), "admin");
  EXPECT_EQ(WhoIs(api.WithToken(TokenOf("alice"))), "alice");
}

TEST_F(Real, RefusalsKeepTheServersWords) {
  const Json good = {{"metadata", {{"name", "x"}}}};
  const struct {
    const char* name;
    base::Status status;
    Code code;
    const char* words;
  } rows[] = {
      {"403", api.WithToken(TokenOf("carol")).Create(kSecrets, ns, good).status(),
       Code::kPermissionDenied, "cannot create resource \"secrets\""},
      {"401", api.WithToken("nobody").Get(kPods, ns, "x").status(), Code::kUnauthenticated,
       "Unauthorized"},
      {"404", api.Get(kPods, ns, "x").status(), Code::kNotFound, "pods \"x\" not found"},
      {"404 of a kind", api.Get({"sandgate.dev", "v9", "widgets", "Widget"}, ns, "x").status(),
       Code::kNotFound, ""},
      {"422", api.Create(kConfigMaps, ns, {{"metadata", {{"name", "Not_Good"}}}}).status(),
       Code::kInvalidArgument, "metadata.name"},
      {"422 of a CRD",
       api.Create(kSandboxes, ns,
                  {{"metadata", {{"name", "x"}}}, {"spec", {{"language", "cobol"}}}})
           .status(),
       Code::kInvalidArgument, "spec.language"},
      {"400", api.Create(kConfigMaps, ns, {{"metadata", 7}}).status(), Code::kInvalidArgument, ""},
      {"405", api.DeleteCollection(kSelfSubjectReviews, "", {}), Code::kInvalidArgument, ""},
      {"413",
       api.Create(kConfigMaps, ns,
                  {{"metadata", {{"name", "x"}}}, {"data", {{"k", std::string(4 << 20, 'x')}}}})
           .status(),
       Code::kResourceExhausted, ""},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(row.status.code(), row.code) << row.name << ": " << row.status.ToString();
    EXPECT_NE(row.status.message().find(row.words), std::string::npos) << row.status.message();
  }
}

// etcd stores '<' as six bytes: small enough to send, too large to keep. HTTP 500, and permanent.
TEST_F(Real, TooLargeToStoreIsAnExhaustedLimit) {
  const Json execution = {
      {"apiVersion", "sandgate.dev/v1alpha1"},
      {"kind", "Execution"},
      {"metadata", {{"name", "big"}}},
      {"spec",
       {{"sandboxName", "s"},
        {"operation", "WriteFile"},
        {"requester", {{"username", "somebody"}}},
        {"writeFile", {{"path", "f"}, {"content", std::string(400'000, '<')}}}}}};
  const auto made = api.Create(kExecutions, ns, execution);
  EXPECT_EQ(made.status().code(), Code::kResourceExhausted) << made.status().ToString();
}

TEST_F(Real, PagesOfFiveHundred) {
  constexpr int kCount = 1200;
  std::atomic<int> next{0};
  std::atomic<int> failed{0};
  {
    std::vector<std::jthread> makers;
    for (int t = 0; t < 4; ++t) {
      makers.emplace_back([&] {
        for (int i; (i = next++) < kCount;) {
          const Json object = {
              {"metadata", {{"name", "c" + std::to_string(i)}, {"labels", {{"paged", "yes"}}}}}};
          if (!api.Create(kConfigMaps, ns, object).ok()) ++failed;
        }
      });
    }
  }
  ASSERT_EQ(failed, 0);
  ListOptions options;
  options.label_selector = "paged=yes";
  std::vector<size_t> sizes;
  do {
    const auto page = api.List(kConfigMaps, ns, options);
    ASSERT_TRUE(page.ok()) << page.status().ToString();
    sizes.push_back(page->items.size());
    options.continue_token = page->continue_token;
  } while (!options.continue_token.empty());
  EXPECT_EQ(sizes, (std::vector<size_t>{500, 500, 200}));
  options.continue_token.clear();
  const auto all = api.ListAll(kConfigMaps, ns, options);
  ASSERT_TRUE(all.ok());
  std::set<std::string> names;
  for (const Json& item : all->items) {
    EXPECT_EQ(item["kind"], "ConfigMap");
    names.insert(item["metadata"]["name"]);
  }
  EXPECT_EQ(names.size(), static_cast<size_t>(kCount));
}

TEST_F(Real, AnotherAuthorityIsNotBelieved) {
  rest::Config config = RealConfig();
  config.ca_pem =
      http::CertificateAuthority::Create("other", std::chrono::hours(1), base::RealClock().Now())
          ->certificate_pem();
  const Api stranger(std::shared_ptr<rest::Transport>(*rest::CreateTransport(config)));
  EXPECT_EQ(stranger.Get(kNamespaces, "", "default").status().code(), Code::kUnavailable);
}

TEST_F(Real, AServerThatStallsMeetsTheDeadline) {
  testing::RawServer stalls([](testing::RawPeer& peer) { peer.WaitForClose(); });
  rest::Config config = RealConfig();
  // The handshake stalls as well.
  for (const std::string scheme : {"http", "https"}) {
    config.base_url = scheme + "://127.0.0.1:" + std::to_string(stalls.port());
    const Api stalled(std::shared_ptr<rest::Transport>(*rest::CreateTransport(config)));
    EXPECT_EQ(stalled.WithDeadline(std::chrono::milliseconds(200))
                  .Get(kNamespaces, "", "default")
                  .status()
                  .code(),
              Code::kDeadlineExceeded)
        << scheme;
  }
}

TEST_F(Real, EventsAreAccepted) {
  const Json object = *api.Create(kConfigMaps, ns, {{"metadata", {{"name", "x"}}}});
  EventRecorder recorder(api, "sandgate-operator", "test");
  for (int i = 0; i < 3; ++i) recorder.Record(object, EventType::kWarning, "Tested", "it was");
  ListOptions options;
  options.field_selector = "involvedObject.name=x";
  while (true) {
    const auto events = api.ListAll(kEvents, ns, options);
    ASSERT_TRUE(events.ok());
    ASSERT_EQ(recorder.dropped(), 0U);
    if (events->items.size() == 1 && events->items[0]["count"] == 3) break;
    std::this_thread::yield();
  }
}

}  // namespace
}  // namespace sandgate::kube
