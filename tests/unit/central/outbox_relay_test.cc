#include "services/central/adapters/outbox_relay.h"

#include <gmock/gmock.h>

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "store/inmemory/inmemory_store.h"
#include "tests/support/eventually.h"
#include "tests/support/logged_lines.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/central/facts_on_kafka.h"

namespace ev::central {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr absl::Duration kPatience = absl::Seconds(30);

// What a publisher says of a message: to the caller, and (when that is OK) to the callback.
struct Fate {
  absl::Status taken;
  absl::Status done;
};

// Takes or refuses as it is told, and keeps what it stored.
class FakePublisher final : public Publisher {
 public:
  using Judge = std::function<Fate(const OutgoingMessage&)>;
  void Decide(Judge judge) {
    MutexLock lock(mutex_);
    judge_ = std::move(judge);
  }
  std::vector<std::string> stored() const {
    MutexLock lock(mutex_);
    return stored_;
  }
  std::vector<std::string> asked() const {
    MutexLock lock(mutex_);
    return asked_;
  }

  absl::Status Publish(OutgoingMessage message) override {
    Fate fate;
    {
      MutexLock lock(mutex_);
      asked_.push_back(message.key);
      if (judge_) fate = judge_(message);
      if (fate.taken.ok() && fate.done.ok()) stored_.push_back(message.key);
    }
    if (fate.taken.ok() && message.done) message.done(fate.done);
    return fate.taken;
  }
  absl::Status Flush(absl::Duration) override { return absl::OkStatus(); }
  BackboneHealth Health() const override { return {.connected = true}; }

 private:
  mutable Mutex mutex_;
  Judge judge_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> stored_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> asked_ ABSL_GUARDED_BY(mutex_);
};

class OutboxRelayTest : public ::testing::Test {
 protected:
  OutboxRelayTest() { epoch_ = store_.TakeShards("test", "").value().at(0).epoch; }

  void Write(const std::vector<std::string>& keys) {
    store::ShardBatch batch{.shard = 0, .epoch = epoch_};
    for (const std::string& key : keys) {
      batch.outbox.push_back({.id = key, .topic = "topic", .key = key, .value = "v", .headers = {{"h", key}}});
    }
    EV_ASSERT_OK(store_.Commit({batch}).at(0));
  }
  std::vector<std::string> Rows() {
    std::vector<std::string> keys;
    const auto read = store_.ReadOutbox(0, 1000);
    for (const auto& row : *read) keys.push_back(row.record.key);
    return keys;
  }
  bool BecomesEmpty() {
    return Eventually(kPatience, [&] { return Rows().empty(); });
  }
  // A line of the metrics.
  static std::string Out(const std::string& result, int count, const std::string& topic = "topic") {
    return absl::StrCat("ev_messages_out_total{result=\"", result, "\",topic=\"", topic, "\"} ", count, "\n");
  }

  std::int64_t epoch_ = 0;
  store::InMemoryStore store_{1, "0123456789abcdef0123456789abcdef", absl::FromUnixSeconds(1'700'000'000)};
  metrics::Registry registry_{"ev-central", "test"};
  const MessagesOut out_{{"topic", "charging_status_updates"}, registry_};
  FakePublisher publisher_;
};

TEST_F(OutboxRelayTest, RowsAreRelayedInTheOrderOfWritingAndRemovedWhenTheyAreStored) {
  Write({"a", "b", "c"});
  OutboxRelay relay(store_, publisher_, out_);
  EXPECT_TRUE(BecomesEmpty());
  Write({"d"});
  relay.Wake();
  EXPECT_TRUE(BecomesEmpty());
  EXPECT_THAT(publisher_.stored(), ElementsAre("a", "b", "c", "d"));
  EXPECT_TRUE(
      Eventually(kPatience, [&] { return registry_.RenderText().find(Out("acknowledged", 4)) != std::string::npos; }));
}

TEST_F(OutboxRelayTest, MoreRowsThanFitIntoOneRoundAreAllRelayedInOrder) {
  std::vector<std::string> keys;
  for (int i = 0; i < 1100; ++i) keys.push_back(absl::StrCat("k", i));
  Write(keys);
  const OutboxRelay relay(store_, publisher_, out_);
  EXPECT_TRUE(BecomesEmpty());
  EXPECT_EQ(publisher_.stored(), keys);
}

// B188
TEST_F(OutboxRelayTest, WhatGoesOutIsCountedByTopicAndResultFromTheStart) {
  for (const char* topic : {"topic", "charging_status_updates"}) {
    for (const char* result : {"acknowledged", "failed", "dropped"}) {
      EXPECT_THAT(registry_.RenderText(), HasSubstr(Out(result, 0, topic)));
    }
  }
}

// B59
TEST_F(OutboxRelayTest, ARowThatIsNotTakenStaysWithThoseBehindItAndGoesFirstLater) {
  publisher_.Decide([](const OutgoingMessage& message) {
    return Fate{.taken = message.key == "a" ? absl::OkStatus() : absl::ResourceExhaustedError("queue is full")};
  });
  Write({"a", "b", "c"});
  OutboxRelay relay(store_, publisher_, out_);
  ASSERT_TRUE(Eventually(kPatience, [&] { return Rows().size() == 2; }));
  EXPECT_THAT(Rows(), ElementsAre("b", "c"));
  EXPECT_THAT(publisher_.asked(), ::testing::Not(Contains("c")));
  publisher_.Decide({});
  relay.Wake();
  EXPECT_TRUE(BecomesEmpty());
  EXPECT_THAT(publisher_.stored(), ElementsAre("a", "b", "c"));
}

// B59 B112
TEST_F(OutboxRelayTest, ARowWhosePublishingFailedStaysAndIsPublishedAgain) {
  publisher_.Decide([](const OutgoingMessage& message) {
    return Fate{.done = message.key == "b" ? absl::UnavailableError("the broker went away") : absl::OkStatus()};
  });
  Write({"a", "b"});
  OutboxRelay relay(store_, publisher_, out_);
  ASSERT_TRUE(Eventually(kPatience, [&] { return Rows().size() == 1; }));
  EXPECT_THAT(Rows(), ElementsAre("b"));
  publisher_.Decide({});
  relay.Wake();
  EXPECT_TRUE(BecomesEmpty());
  EXPECT_THAT(publisher_.stored(), ElementsAre("a", "b"));
  EXPECT_TRUE(
      Eventually(kPatience, [&] { return registry_.RenderText().find(Out("acknowledged", 2)) != std::string::npos; }));
  EXPECT_THAT(registry_.RenderText(), ::testing::Not(HasSubstr(Out("failed", 0))));
}

// B59 B112
TEST_F(OutboxRelayTest, RowsThatFailAgainAndAgainHoldUpNobodyBehindThem) {
  publisher_.Decide([](const OutgoingMessage& message) {
    return Fate{.done = message.key == "ticket" ? absl::OkStatus() : absl::PermissionDeniedError("not this topic")};
  });
  std::vector<std::string> keys;
  for (int i = 0; i < 600; ++i) keys.push_back(absl::StrCat("alert ", i));
  keys.emplace_back("ticket");
  Write(keys);
  const OutboxRelay relay(store_, publisher_, out_);
  EXPECT_TRUE(Eventually(kPatience, [&] { return Rows().size() == 600; }));
  EXPECT_THAT(publisher_.stored(), ElementsAre("ticket"));
  publisher_.Decide({});
  EXPECT_TRUE(BecomesEmpty());
}

// B112
TEST_F(OutboxRelayTest, WhatIsRefusedInCompanyIsPublishedAloneBeforeItIsDropped) {
  std::set<std::string> refused;
  publisher_.Decide([&refused](const OutgoingMessage& message) {
    const bool is_first = refused.insert(message.key).second;
    return Fate{.done = is_first ? absl::InvalidArgumentError("the batch is invalid") : absl::OkStatus()};
  });
  Write({"a", "b", "c"});
  const OutboxRelay relay(store_, publisher_, out_);
  EXPECT_TRUE(BecomesEmpty());
  EXPECT_THAT(publisher_.asked(), ElementsAre("a", "b", "c", "a", "b", "c"));
  EXPECT_THAT(publisher_.stored(), ElementsAre("a", "b", "c"));
  EXPECT_THAT(registry_.RenderText(), HasSubstr(Out("dropped", 0)));
}

// B63 B122
TEST_F(OutboxRelayTest, ARowThatCanNeverBePublishedIsSaidAndHoldsUpNobody) {
  const LoggedLines logged;
  publisher_.Decide([](const OutgoingMessage& message) {
    if (message.key == "too_large") return Fate{.taken = absl::InvalidArgumentError("message is too large")};
    if (message.key == "refused") return Fate{.done = absl::InvalidArgumentError("the broker refuses it")};
    return Fate{};
  });
  Write({"too_large", "a", "refused", "b"});
  const OutboxRelay relay(store_, publisher_, out_);
  EXPECT_TRUE(BecomesEmpty());
  EXPECT_THAT(publisher_.stored(), ElementsAre("a", "b"));
  EXPECT_TRUE(
      Eventually(kPatience, [&] { return registry_.RenderText().find(Out("dropped", 2)) != std::string::npos; }));
  EXPECT_THAT(registry_.RenderText(), HasSubstr(Out("acknowledged", 2)));
  EXPECT_THAT(logged.Get(), Contains(HasSubstr("id=too_large")));
  EXPECT_THAT(logged.Get(), Contains(HasSubstr("id=refused")));
}

// B10
TEST_F(OutboxRelayTest, LiveFiguresGoPastTheOutboxAndTransitionsDoNot) {
  const OutboxCodec codec{Topics()};
  ProgressPublisher progress(codec, publisher_, out_);
  Session session = GrantedSession();
  progress.OnSession({.session = session, .previous = SessionState::kRequested, .ticket = {}});
  session.state = SessionState::kCharging;
  progress.OnSession({.session = session, .previous = SessionState::kGranted, .ticket = {}});
  EXPECT_TRUE(publisher_.asked().empty());
  progress.OnSession({.session = session, .previous = SessionState::kCharging, .ticket = {}});
  EXPECT_THAT(publisher_.stored(), ElementsAre("driver_001"));
  EXPECT_THAT(registry_.RenderText(), HasSubstr(Out("acknowledged", 1, "charging_status_updates")));
  publisher_.Decide(
      [](const OutgoingMessage&) { return Fate{.taken = absl::ResourceExhaustedError("queue is full")}; });
  progress.OnSession({.session = session, .previous = SessionState::kCharging, .ticket = {}});
  EXPECT_THAT(registry_.RenderText(), HasSubstr(Out("failed", 1, "charging_status_updates")));
}

}  // namespace
}  // namespace ev::central
