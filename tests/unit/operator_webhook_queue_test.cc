#include <gtest/gtest.h>

#include "operator/webhook_queue.h"
#include "tests/unit/operator_fixture.h"

namespace sandgate::op {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

std::shared_ptr<const api::Approval> Approval(const std::string& uid, int64_t expires) {
  auto approval = std::make_shared<api::Approval>();
  approval->meta.uid = approval->meta.name = uid;
  approval->request.expires_at = At(expires);
  return approval;
}

// Both clocks at that second of the test.
Moments Second(int64_t second) {
  return {At(second), base::MonotonicTime(std::chrono::hours(1) + seconds(second))};
}

class WebhookQueueTest : public testing::Test {
 protected:
  void Pending(const std::string& uid, int64_t expires, int64_t now = 0) {
    queue_.AddPending(Approval(uid, expires), Second(now), &ends_);
  }
  void Settled(const std::string& uid, int64_t now = 0, bool tell = true) {
    queue_.AddSettled(Approval(uid, 60), tell, Second(now), &ends_);
  }
  // "P1" for the question 1, "S1" for its outcome, "" for nothing.
  std::string Take(int64_t now = 0) {
    const auto job = queue_.Take(Second(now), &ends_);
    if (!job) return "";
    const std::string name = Name(*job);
    flying_[name] = *job;
    return name;
  }
  void Fail(const std::string& name, int64_t now, milliseconds wait = seconds(1)) {
    queue_.Retry(flying_.at(name), wait, Second(now), &ends_);
  }
  void Deliver(const std::string& name) {
    queue_.Finish(flying_.at(name), WebhookResult::kDelivered, &ends_);
  }
  // How messages ended since the last call, in order.
  std::string Ends() {
    std::string text;
    for (const WebhookEnd& end : ends_) {
      text += (text.empty() ? "" : " ") + Name(end.job) + ":" + WebhookResultName(end.result);
    }
    ends_.clear();
    return text;
  }
  static std::string Name(const WebhookJob& job) {
    return (job.event == WebhookEvent::kPending ? "P" : "S") + job.approval->meta.uid;
  }

  WebhookQueue queue_{4};
  WebhookEnds ends_;
  std::map<std::string, WebhookJob> flying_;
};

TEST_F(WebhookQueueTest, QuestionsFirstAndTheMostUrgentOfThem) {
  Settled("1");
  Pending("2", 60);
  Pending("3", 30);
  Settled("4");
  EXPECT_EQ(Take(), "P3");
  EXPECT_EQ(Take(), "P2");
  EXPECT_EQ(Take(), "S1");
  EXPECT_EQ(Take(), "S4");
  EXPECT_EQ(Take(), "");
  EXPECT_EQ(queue_.depth(), 4U);
  for (const char* name : {"P3", "P2", "S1", "S4"}) Deliver(name);
  EXPECT_EQ(queue_.depth(), 0U);
  EXPECT_EQ(Ends(), "P3:delivered P2:delivered S1:delivered S4:delivered");
}

TEST_F(WebhookQueueTest, ATwiceAnnouncedQuestionGoesOnce) {
  Pending("1", 60);
  Pending("1", 60);
  EXPECT_EQ(Take(), "P1");
  Pending("1", 60);
  EXPECT_EQ(Take(), "");
  Deliver("P1");
  EXPECT_EQ(Take(), "");
  Settled("1");
  Settled("1");
  EXPECT_EQ(Take(), "S1");
  EXPECT_EQ(Take(), "");
}

TEST_F(WebhookQueueTest, ASettledQuestionIsNotAskedAnyMore) {
  Pending("1", 60);
  Settled("1");
  EXPECT_EQ(Ends(), "P1:superseded");
  EXPECT_EQ(Take(), "S1");
}

TEST_F(WebhookQueueTest, AnOutcomeWaitsForItsQuestionOnTheWay) {
  Pending("1", 60);
  EXPECT_EQ(Take(), "P1");
  Settled("1");
  EXPECT_EQ(Take(), "");
  EXPECT_EQ(queue_.NextDue(), std::nullopt) << "nothing to do until it lands";
  Fail("P1", 1);
  EXPECT_EQ(Ends(), "P1:superseded") << "it is not tried again";
  EXPECT_EQ(Take(1), "S1");
}

TEST_F(WebhookQueueTest, OutcomesMayBeUnwanted) {
  Pending("1", 60);
  Settled("1", 0, false);
  EXPECT_EQ(Ends(), "P1:superseded");
  EXPECT_EQ(Take(), "");
  EXPECT_EQ(queue_.depth(), 0U);
}

TEST_F(WebhookQueueTest, AFailedOneComesAgainWhenItIsDue) {
  Pending("1", 60);
  EXPECT_EQ(queue_.NextDue(), Second(0).steady);
  EXPECT_EQ(Take(), "P1");
  Fail("P1", 2, seconds(3));
  EXPECT_EQ(queue_.NextDue(), Second(5).steady);
  EXPECT_EQ(Take(4), "");
  EXPECT_EQ(Take(5), "P1");
  EXPECT_EQ(flying_.at("P1").attempts, 1);
}

TEST_F(WebhookQueueTest, AQuestionEndsWithItsDeadline) {
  Pending("1", 30);
  Pending("2", 10);
  EXPECT_EQ(Take(10), "P1");
  EXPECT_EQ(Ends(), "P2:gave_up") << "at its deadline it is too late";
  Fail("P1", 28, seconds(2));
  EXPECT_EQ(Ends(), "P1:gave_up") << "the next attempt would come too late";
  EXPECT_EQ(queue_.depth(), 0U);
}

TEST_F(WebhookQueueTest, AnOutcomeEndsWithItsAttempts) {
  Settled("1");
  for (int i = 1; i < WebhookQueue::kMaxSettledAttempts; ++i) {
    ASSERT_EQ(Take(i), "S1");
    Fail("S1", i);
    ASSERT_EQ(Ends(), "");
  }
  EXPECT_EQ(Take(50), "S1");
  Fail("S1", 50);
  EXPECT_EQ(Ends(), "S1:gave_up");

  Settled("2", 100);
  EXPECT_EQ(Take(100 + 300), "");
  EXPECT_EQ(Ends(), "S2:gave_up") << "five minutes are enough";
}

TEST_F(WebhookQueueTest, WhenFullOutcomesMakeRoomForQuestions) {
  Settled("1");
  Settled("2");
  Pending("3", 60);
  Pending("4", 60);
  Settled("5");
  EXPECT_EQ(Ends(), "S5:dropped");
  Pending("6", 60);
  EXPECT_EQ(Ends(), "S1:dropped");
  Pending("7", 60);
  EXPECT_EQ(Ends(), "S2:dropped");
  Pending("8", 60);
  EXPECT_EQ(Ends(), "P8:dropped");
  EXPECT_EQ(queue_.depth(), 4U);
}

TEST_F(WebhookQueueTest, NoMoreOnTheWayThanAllowed) {
  for (const char* uid : {"1", "2", "3", "4"}) {
    Pending(uid, 60);
    EXPECT_EQ(Take(), std::string("P") + uid);
  }
  Pending("5", 60);
  EXPECT_EQ(Take(), "");
  EXPECT_EQ(queue_.NextDue(), std::nullopt);
  Deliver("P2");
  EXPECT_EQ(Take(), "P5");
}

TEST_F(WebhookQueueTest, ARetryFindsRoomInAFullQueue) {
  Pending("1", 60);
  EXPECT_EQ(Take(), "P1");
  for (const char* uid : {"2", "3", "4", "5"}) Pending(uid, 60);
  Fail("P1", 1);
  EXPECT_EQ(Ends(), "") << "it was let in before";
  EXPECT_EQ(queue_.depth(), 5U);
}

TEST(WebhookRetry, StatusesAndWhatTheyMean) {
  using enum WebhookVerdict;
  const std::pair<unsigned, WebhookVerdict> cases[] = {
      {200, kDelivered}, {201, kDelivered}, {204, kDelivered}, {299, kDelivered}, {301, kRefused},
      {302, kRefused},   {307, kRefused},   {308, kRefused},   {400, kRefused},   {401, kRefused},
      {403, kRefused},   {404, kRefused},   {408, kRetry},     {410, kRefused},   {413, kRefused},
      {429, kRetry},     {500, kRetry},     {502, kRetry},     {503, kRetry},     {599, kRetry}};
  for (const auto& [status, verdict] : cases) EXPECT_EQ(JudgeStatus(status), verdict) << status;
}

TEST(WebhookRetry, WaitsGrowAndAreSpread) {
  const milliseconds whole[] = {milliseconds(500),   milliseconds(1'000), milliseconds(2'000),
                                milliseconds(4'000), milliseconds(8'000), milliseconds(15'000),
                                milliseconds(15'000)};
  for (int failed = 1; failed <= 7; ++failed) {
    const milliseconds most = whole[failed - 1];
    EXPECT_EQ(RetryWait(failed, 0, seconds(0)), most / 2) << failed;
    EXPECT_LT(RetryWait(failed, 0.999, seconds(0)), most) << failed;
    EXPECT_GT(RetryWait(failed, 0.999, seconds(0)), most * 9 / 10) << failed;
  }
  EXPECT_LE(RetryWait(1'000'000, 0.5, seconds(0)), milliseconds(15'000));
  EXPECT_EQ(RetryWait(1, 0, seconds(20)), seconds(20));
  EXPECT_EQ(RetryWait(1, 0, seconds(86'400)), seconds(60)) << "a receiver does not switch us off";
}

}  // namespace
}  // namespace sandgate::op
