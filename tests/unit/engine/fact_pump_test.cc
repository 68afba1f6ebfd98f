#include "services/engine/adapters/fact_pump.h"

#include <deque>

#include "evcharging/events/v1/facts.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "journal/inmemory/memory_fact_log.h"
#include "tests/support/eventually.h"
#include "tests/support/logged_lines.h"
#include "tests/support/status_matchers.h"

namespace ev::engine {
namespace {

using ::testing::ElementsAre;

constexpr absl::Duration kLimit = absl::Seconds(10);

// Takes messages and answers when told to.
class FakePublisher final : public Publisher {
 public:
  absl::Status Publish(OutgoingMessage message) override {
    MutexLock lock(mutex);
    ++asked_;
    if (!refusal.ok()) return refusal;
    taken.push_back(message);
    waiting.push_back(std::move(message));
    return absl::OkStatus();
  }
  absl::Status Flush(absl::Duration) override { return absl::OkStatus(); }
  BackboneHealth Health() const override { return {}; }

  void Refuse(absl::Status status) {
    MutexLock lock(mutex);
    refusal = std::move(status);
  }
  // The oldest that waits.
  void Answer(const absl::Status& status) {
    OutgoingMessage message;
    {
      MutexLock lock(mutex);
      ASSERT_FALSE(waiting.empty());
      message = std::move(waiting.front());
      waiting.pop_front();
    }
    message.done(status);
  }
  std::size_t count() {
    MutexLock lock(mutex);
    return taken.size();
  }
  // How often it was called.
  int asked() {
    MutexLock lock(mutex);
    return asked_;
  }
  bool WaitForCount(std::size_t n) {
    return Eventually(kLimit, [&] { return count() >= n; });
  }
  std::vector<std::string> Values() {
    MutexLock lock(mutex);
    std::vector<std::string> values;
    for (const auto& m : taken) values.push_back(m.value);
    return values;
  }

  Mutex mutex;
  absl::Status refusal ABSL_GUARDED_BY(mutex);
  std::vector<OutgoingMessage> taken ABSL_GUARDED_BY(mutex);
  std::deque<OutgoingMessage> waiting ABSL_GUARDED_BY(mutex);

 private:
  int asked_ ABSL_GUARDED_BY(mutex) = 0;
};

class FactPumpTest : public ::testing::Test {
 protected:
  explicit FactPumpTest(int max_in_flight = 100) {
    pump = std::make_unique<FactPump>(PumpOptions{.data_topic = "data",
                                                  .complete_topic = "complete",
                                                  .max_in_flight = max_in_flight,
                                                  .retry_after = absl::Milliseconds(5)},
                                      log, publisher, registry);
  }

  Fact Make(FactKind kind, std::int64_t sequence) {
    Fact fact;
    fact.message_id = ids.NewMessageId(absl::FromUnixSeconds(1'750'000'000));
    fact.kind = kind;
    fact.cp = CpId("cp_001");
    fact.session = SessionId("0123456789abcdef0123456789abcdef");
    fact.sequence = sequence;
    return fact;
  }
  void Write(std::vector<Fact> facts) {
    ASSERT_THAT(log.Write({.cp = {}, .mark = {}, .facts = std::move(facts), .settled = {}}), IsOk());
    pump->Wake();
  }
  std::vector<std::int64_t> Sequences() {
    std::vector<std::int64_t> result;
    for (const std::string& value : publisher.Values()) {
      evcharging::events::v1::Fact fact;
      EXPECT_TRUE(fact.ParseFromString(value));
      result.push_back(fact.sequence());
    }
    return result;
  }

  RandomIdSource ids{9};
  metrics::Registry registry{"test", "0"};
  journal::MemoryFactLog log{"id", 1000};
  FakePublisher publisher;
  std::unique_ptr<FactPump> pump;
};

TEST_F(FactPumpTest, FactsGoOutInOrderToTheirTopicsWithTheChargingPointAsKey) {
  Write({Make(FactKind::kStart, 0), Make(FactKind::kSample, 1), Make(FactKind::kFinal, 2)});
  ASSERT_TRUE(publisher.WaitForCount(3));
  EXPECT_THAT(Sequences(), ElementsAre(0, 1, 2));
  MutexLock lock(publisher.mutex);
  EXPECT_EQ(publisher.taken[0].topic, "data");
  EXPECT_EQ(publisher.taken[1].topic, "data");
  EXPECT_EQ(publisher.taken[2].topic, "complete");
  EXPECT_EQ(publisher.taken[2].key, "cp_001");
}

// B223
TEST_F(FactPumpTest, EachFactSaysItsTraceInAHeaderUnderItsOwnId) {
  const Trace trace = ParseTraceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
  std::vector<Fact> facts = {Make(FactKind::kStart, 0), Make(FactKind::kSample, 1), Make(FactKind::kFinal, 2)};
  for (Fact& fact : facts) fact.grant.trace = trace;
  facts.push_back(Make(FactKind::kSample, 0));  // Of a grant from before there were traces.
  Write(facts);
  ASSERT_TRUE(publisher.WaitForCount(4));
  MutexLock lock(publisher.mutex);
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(publisher.taken[i].headers,
                ElementsAre(testing::Pair("traceparent", Traceparent(trace, ToHex(facts[i].message_id)))));
  }
  EXPECT_THAT(publisher.taken[3].headers, testing::IsEmpty());
}

// B220
TEST_F(FactPumpTest, AStartAndAFinalThatKafkaHasAreSaidInTheirTraceAndSamplesAreNot) {
  const LoggedLines logged;
  std::vector<Fact> facts = {Make(FactKind::kStart, 0), Make(FactKind::kSample, 1), Make(FactKind::kFinal, 2)};
  for (Fact& fact : facts) fact.grant.trace = TraceOfId("4bf92f3577b34da6a3ce929d0e0e4736");
  Write(facts);
  ASSERT_TRUE(publisher.WaitForCount(3));
  publisher.Answer(absl::UnavailableError("no broker"));
  EXPECT_THAT(logged.Get(), testing::IsEmpty());
  ASSERT_TRUE(publisher.WaitForCount(4));
  for (int i = 0; i < 3; ++i) publisher.Answer(absl::OkStatus());
  EXPECT_THAT(logged.Get(),
              testing::UnorderedElementsAre(
                  testing::EndsWith("info fact sent fact=start cp_id=cp_001 session_id=" + facts[0].session.value() +
                                    " trace_id=4bf92f3577b34da6a3ce929d0e0e4736"),
                  testing::EndsWith("info fact sent fact=final cp_id=cp_001 session_id=" + facts[0].session.value() +
                                    " trace_id=4bf92f3577b34da6a3ce929d0e0e4736")));
}

TEST_F(FactPumpTest, AnAcknowledgementTrimsTheSampleAndKeepsTheRest) {
  Write({Make(FactKind::kStart, 0), Make(FactKind::kSample, 1)});
  ASSERT_TRUE(publisher.WaitForCount(2));
  EXPECT_EQ(log.Stats().samples, 1);
  publisher.Answer(absl::OkStatus());
  publisher.Answer(absl::OkStatus());
  EXPECT_EQ(log.Stats().samples, 0);
  EXPECT_EQ(log.Stats().starts_and_finals, 1);
  EXPECT_THAT(pump->Drain(kLimit), IsOk());
  EXPECT_EQ(publisher.count(), 2u) << "nothing twice";
}

// B90
TEST_F(FactPumpTest, WhatWasNotDeliveredIsPublishedAgainWithTheSameBytes) {
  Write({Make(FactKind::kSample, 1), Make(FactKind::kSample, 2)});
  ASSERT_TRUE(publisher.WaitForCount(2));
  publisher.Answer(absl::UnavailableError("producer died"));
  publisher.Answer(absl::OkStatus());
  ASSERT_TRUE(publisher.WaitForCount(3));
  EXPECT_EQ(publisher.Values()[2], publisher.Values()[0]);
  publisher.Answer(absl::OkStatus());
  EXPECT_THAT(pump->Drain(kLimit), IsOk());
  EXPECT_EQ(publisher.count(), 3u);
}

TEST_F(FactPumpTest, WhatIsRefusedInCompanyIsPublishedAloneAndOnlyWhatIsRefusedAloneIsGivenUp) {
  Write({Make(FactKind::kSample, 1), Make(FactKind::kSample, 2), Make(FactKind::kFinal, 3)});
  ASSERT_TRUE(publisher.WaitForCount(3));
  const absl::Status refused = absl::InvalidArgumentError("the batch is invalid");
  for (int i = 0; i < 3; ++i) publisher.Answer(refused);
  Write({Make(FactKind::kSample, 4)});
  ASSERT_TRUE(publisher.WaitForCount(4));
  EXPECT_THAT(pump->Drain(absl::Milliseconds(50)), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(publisher.count(), 4u) << "nothing keeps it company";
  publisher.Answer(absl::OkStatus());
  ASSERT_TRUE(publisher.WaitForCount(5));
  EXPECT_EQ(log.Stats().samples, 2);
  publisher.Answer(refused);
  ASSERT_TRUE(publisher.WaitForCount(6));
  EXPECT_EQ(log.Stats().samples, 1);
  publisher.Answer(absl::OkStatus());
  ASSERT_TRUE(publisher.WaitForCount(7));
  publisher.Answer(absl::OkStatus());
  EXPECT_THAT(pump->Drain(kLimit), IsOk());
  EXPECT_THAT(Sequences(), ElementsAre(1, 2, 3, 1, 2, 3, 4));
  EXPECT_EQ(log.Stats().samples, 0);
  EXPECT_EQ(log.Stats().starts_and_finals, 1) << "until Central has booked it";
}

TEST_F(FactPumpTest, AFullPublisherIsAskedAgainAndNothingIsLostOrSwapped) {
  publisher.Refuse(absl::ResourceExhaustedError("full"));
  Write({Make(FactKind::kStart, 0), Make(FactKind::kSample, 1), Make(FactKind::kSample, 2)});
  EXPECT_THAT(pump->Drain(absl::Milliseconds(50)), StatusIs(absl::StatusCode::kDeadlineExceeded));
  publisher.Refuse(absl::OkStatus());
  ASSERT_TRUE(publisher.WaitForCount(3));
  EXPECT_THAT(Sequences(), ElementsAre(0, 1, 2));
}

TEST_F(FactPumpTest, ATopicThatIsNotThereIsSaidOnceAndNothingIsLost) {
  const LoggedLines logged;
  publisher.Refuse(absl::NotFoundError("no such topic"));
  Write({Make(FactKind::kSample, 1), Make(FactKind::kSample, 2)});
  ASSERT_TRUE(Eventually(kLimit, [&] { return publisher.asked() > 5; }));
  publisher.Refuse(absl::OkStatus());
  ASSERT_TRUE(publisher.WaitForCount(2));
  publisher.Answer(absl::NotFoundError("no such topic"));
  publisher.Answer(absl::OkStatus());
  ASSERT_TRUE(publisher.WaitForCount(3));
  publisher.Answer(absl::OkStatus());
  EXPECT_THAT(Sequences(), ElementsAre(1, 2, 1));
  EXPECT_THAT(logged.Get(), ElementsAre(testing::HasSubstr("warn facts wait: the broker takes none for this topic"),
                                        testing::EndsWith("info facts are sent again topic=data")));
}

TEST_F(FactPumpTest, AFactThatCanNeverBePublishedDoesNotHoldUpTheRest) {
  publisher.Refuse(absl::InvalidArgumentError("too large"));
  Write({Make(FactKind::kSample, 1)});
  ASSERT_TRUE(Eventually(kLimit, [&] { return log.Stats().samples == 0; }));
  publisher.Refuse(absl::OkStatus());
  Write({Make(FactKind::kSample, 2)});
  ASSERT_TRUE(publisher.WaitForCount(1));
  EXPECT_THAT(Sequences(), ElementsAre(2));
}

TEST_F(FactPumpTest, UnsettledStartsAndFinalsAreProducedAgainButNotWhileTheyAreOnTheirWay) {
  Write({Make(FactKind::kStart, 0), Make(FactKind::kSample, 1), Make(FactKind::kFinal, 2)});
  ASSERT_TRUE(publisher.WaitForCount(3));
  pump->ProduceAgain();
  publisher.Answer(absl::OkStatus());  // The start.
  pump->ProduceAgain();
  ASSERT_TRUE(publisher.WaitForCount(4));
  EXPECT_EQ(publisher.Values()[3], publisher.Values()[0]);
  for (int i = 0; i < 3; ++i) publisher.Answer(absl::OkStatus());
  EXPECT_THAT(pump->Drain(kLimit), IsOk());
  EXPECT_EQ(publisher.count(), 4u);
  ASSERT_THAT(log.Write({.cp = {},
                         .mark = {},
                         .facts = {},
                         .settled = {{.session = SessionId("0123456789abcdef0123456789abcdef"),
                                      .start = true,
                                      .final = true,
                                      .refused = false,
                                      .reason = {}}}}),
              IsOk());
  pump->ProduceAgain();
  EXPECT_THAT(pump->Drain(kLimit), IsOk());
  EXPECT_EQ(publisher.count(), 4u) << "settled";
}

class SmallFactPumpTest : public FactPumpTest {
 protected:
  SmallFactPumpTest() : FactPumpTest(2) {}
};

TEST_F(SmallFactPumpTest, OnlySoManyFactsAreOnTheirWayAtOnce) {
  Write({Make(FactKind::kSample, 1), Make(FactKind::kSample, 2), Make(FactKind::kSample, 3)});
  ASSERT_TRUE(publisher.WaitForCount(2));
  EXPECT_THAT(pump->Drain(absl::Milliseconds(30)), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(publisher.count(), 2u);
  publisher.Answer(absl::OkStatus());
  ASSERT_TRUE(publisher.WaitForCount(3));
}

}  // namespace
}  // namespace ev::engine
