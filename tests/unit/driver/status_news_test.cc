#include "services/driver/adapters/status_news.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "base/mutex.h"
#include "evcharging/events/v1/status.pb.h"
#include "events/inmemory/inmemory_log.h"
#include "events/inmemory/inmemory_subscriber.h"
#include "tests/support/eventually.h"
#include "tests/support/status_matchers.h"

namespace ev::driver {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kTopic[] = "charging_status_updates";

class StatusNewsTest : public ::testing::Test {
 protected:
  StatusNewsTest() { EV_EXPECT_OK(log_.CreateTopic({.name = kTopic, .partitions = 1})); }
  ~StatusNewsTest() override { subscriber_.Stop(); }

  void Publish(std::string value) {
    EV_ASSERT_OK(log_.Append(
        {.topic = kTopic,
         .key = "driver_001",
         .value = std::move(value),
         .headers = {{"other", ""}, {"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}}}));
  }
  void PublishCharging(int energy_mwh) {
    evcharging::events::v1::StatusUpdate update;
    update.set_session_id(std::string(32, 'a'));
    update.set_driver_id("driver_001");
    update.set_charging_point_id("cp_001");
    update.set_state(evcharging::common::v1::SESSION_STATE_CHARGING);
    update.set_energy_mwh(energy_mwh);
    Publish(update.SerializeAsString());
  }
  std::vector<std::int64_t> energies() {
    MutexLock lock(mutex_);
    return energies_;
  }

  InMemoryLog log_;
  InMemorySubscriber subscriber_{log_};
  metrics::Registry registry_{"test", "0"};
  Mutex mutex_;
  std::vector<std::int64_t> energies_ ABSL_GUARDED_BY(mutex_);
  Trace trace_ ABSL_GUARDED_BY(mutex_);
  StatusNews news_{kTopic, subscriber_,
                   [this](const Charge& charge) {
                     MutexLock lock(mutex_);
                     energies_.push_back(charge.energy_mwh);
                     trace_ = charge.trace;
                   },
                   registry_};
};

TEST_F(StatusNewsTest, UpdatesAreHandedOnInOrderAndMarked) {
  PublishCharging(1);
  PublishCharging(2);
  EV_ASSERT_OK(subscriber_.Start({{.topic = kTopic, .partition = 0, .next = 0}}, news_));
  EXPECT_TRUE(Eventually(absl::Seconds(10), [&] { return log_.Marks()[{kTopic, 0}].next == 2; }));
  EXPECT_THAT(energies(), ElementsAre(1, 2));
}

// B220
TEST_F(StatusNewsTest, AnUpdateHasTheTraceOfItsHeader) {
  PublishCharging(1);
  EV_ASSERT_OK(subscriber_.Start({{.topic = kTopic, .partition = 0, .next = 0}}, news_));
  EXPECT_TRUE(Eventually(absl::Seconds(10), [&] { return !energies().empty(); }));
  MutexLock lock(mutex_);
  EXPECT_EQ(TraceIdText(trace_), "4bf92f3577b34da6a3ce929d0e0e4736");
}

TEST_F(StatusNewsTest, WhatCannotBeUnderstoodIsCountedAndPassedOver) {
  Publish("\xff\xff\xff");
  Publish("");
  PublishCharging(3);
  EV_ASSERT_OK(subscriber_.Start({{.topic = kTopic, .partition = 0, .next = 0}}, news_));
  EXPECT_TRUE(Eventually(absl::Seconds(10), [&] { return !energies().empty(); }));
  EXPECT_THAT(energies(), ElementsAre(3));
  EXPECT_THAT(registry_.RenderText(),
              HasSubstr(absl::StrCat("ev_messages_in_total{result=\"undecodable\",topic=\"", kTopic, "\"} 2\n")));
}

TEST_F(StatusNewsTest, UpdatesThatTheLogHasLostDoNotEndIt) {
  for (int i = 0; i < 5; ++i) PublishCharging(i);
  log_.Truncate({kTopic, 0}, 3);
  EV_ASSERT_OK(subscriber_.Start({{.topic = kTopic, .partition = 0, .next = 1}}, news_));
  EXPECT_TRUE(Eventually(absl::Seconds(10), [&] { return energies().size() == 2; }));
  EXPECT_THAT(energies(), ElementsAre(3, 4));
}

}  // namespace
}  // namespace ev::driver
