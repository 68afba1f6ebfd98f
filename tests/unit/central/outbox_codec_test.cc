#include "services/central/adapters/outbox_codec.h"

#include <gmock/gmock.h>

#include <set>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "evcharging/events/v1/alerts.pb.h"
#include "evcharging/events/v1/status.pb.h"
#include "store/inmemory/inmemory_store.h"
#include "tests/unit/central/facts_on_kafka.h"

namespace ev::central {
namespace {

namespace common = evcharging::common::v1;
namespace events = evcharging::events::v1;

using ::testing::Contains;
using ::testing::Not;
using ::testing::Pair;

class OutboxCodecTest : public ::testing::Test {
 protected:
  store::OutboxRecord Encode(const OutboxItem& item) const { return codec_.Encode(item); }
  template <typename Message>
  static Message Decoded(const store::OutboxRecord& record) {
    Message message;
    EXPECT_TRUE(message.ParseFromString(record.value));
    return message;
  }
  static Session Completed() {
    Session session = GrantedSession();
    session.state = SessionState::kCompleted;
    session.energy_mwh = 2'000'000;
    session.amount_micros = 700'000;
    session.revision = {5, 9};
    return session;
  }

  const Topics topics_{};
  const OutboxCodec codec_{topics_};
};

// A kind that is added must be added here: the compiler sees to it.
bool IsKnown(AlertKind kind) {
  switch (kind) {
    case AlertKind::kPointFaulted:
    case AlertKind::kLinkLost:
    case AlertKind::kRecovered:
    case AlertKind::kAmountDiffers:
    case AlertKind::kDeadLetter:
    case AlertKind::kGap:
    case AlertKind::kLinkRefused:
    case AlertKind::kEngineSilent:
    case AlertKind::kClusterUnknown:
    case AlertKind::kJournalReplaced:
      return true;
  }
  return false;
}

// B7
TEST_F(OutboxCodecTest, AStatusUpdateIsKeyedByItsDriverAndSaysWhatCentralBooked) {
  Ticket ticket;
  ticket.id = std::string(32, 'a');
  ticket.energy_mwh = 2'000'000;
  ticket.amount_micros = 700'000;
  ticket.recovered = true;
  const store::OutboxRecord record = Encode(StatusUpdate{Completed(), PointState::kAvailable, ticket});
  EXPECT_EQ(record.topic, "charging_status_updates");
  EXPECT_EQ(record.key, "driver_001");
  const auto message = Decoded<events::StatusUpdate>(record);
  EXPECT_EQ(message.driver_id(), record.key);
  EXPECT_EQ(message.session_id(), std::string(32, 'a'));
  EXPECT_EQ(message.charging_point_id(), "cp_001");
  EXPECT_EQ(message.state(), common::SESSION_STATE_COMPLETED);
  EXPECT_EQ(message.revision().incarnation(), 5);
  EXPECT_EQ(message.revision().counter(), 9);
  EXPECT_EQ(message.energy_mwh(), 2'000'000);
  EXPECT_EQ(message.amount_micros(), 700'000);
  EXPECT_EQ(message.ticket().ticket_id(), ticket.id);
  EXPECT_EQ(message.ticket().amount_micros(), 700'000);
  EXPECT_TRUE(message.ticket().recovered());
  EXPECT_FALSE(message.has_denial());
}

// B7 B62
TEST_F(OutboxCodecTest, ADenialSaysItsReasonWithAndWithoutASession) {
  Session denied = GrantedSession();
  denied.state = SessionState::kDenied;
  denied.denial = DenialReason::kPointBusy;
  denied.denial_text = "cp_001 is taken";
  const auto with = Decoded<events::StatusUpdate>(Encode(StatusUpdate{denied}));
  EXPECT_EQ(with.denial().reason(), common::DENIAL_REASON_POINT_BUSY);
  EXPECT_EQ(with.denial().text(), "cp_001 is taken");

  const store::OutboxRecord record = Encode(DenialUpdate{.id = "d1",
                                                         .driver = DriverId("driver_002"),
                                                         .cp = CpId("cp_404"),
                                                         .reason = DenialReason::kPointUnknown,
                                                         .text = "no such charging point",
                                                         .time = absl::FromUnixSeconds(5)});
  EXPECT_EQ(record.key, "driver_002");
  const auto without = Decoded<events::StatusUpdate>(record);
  EXPECT_EQ(without.state(), common::SESSION_STATE_DENIED);
  EXPECT_EQ(without.session_id(), "");
  EXPECT_EQ(without.denial().reason(), common::DENIAL_REASON_POINT_UNKNOWN);
}

TEST_F(OutboxCodecTest, AnUpdateOfAnOpenSessionSaysThatItsPointCannotBeHeard) {
  const auto notice = [&](PointState point, SessionState state) {
    Session session = GrantedSession();
    session.state = state;
    return Decoded<events::StatusUpdate>(Encode(StatusUpdate{session, point})).notice();
  };
  EXPECT_EQ(notice(PointState::kDisconnected, SessionState::kCharging), "the charging point is disconnected");
  EXPECT_EQ(notice(PointState::kFaulted, SessionState::kCharging), "the charging point is faulted");
  EXPECT_EQ(notice(PointState::kDisconnected, SessionState::kAwaitingFinal), "the charging point is disconnected")
      << "that is why the ticket does not come";
  EXPECT_EQ(notice(PointState::kCharging, SessionState::kCharging), "");
  EXPECT_EQ(notice(PointState::kDisconnected, SessionState::kCompleted), "");
}

// B223
TEST_F(OutboxCodecTest, WhateverIsAboutAChargeSaysItsTraceInAHeader) {
  const Trace trace = ParseTraceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
  Session session = Completed();
  EXPECT_THAT(Encode(StatusUpdate{session}).headers, ::testing::IsEmpty()) << "of a session from before traces";
  session.trace = trace;
  for (const OutboxItem& item : {OutboxItem(StatusUpdate{session}), OutboxItem(DenialUpdate{.id = "d", .trace = trace}),
                                 OutboxItem(DeadLetter{.topic = "t", .trace = trace}),
                                 OutboxItem(Alert{.session = session.id, .id = "a", .trace = trace})}) {
    EXPECT_THAT(
        Encode(item).headers,
        Contains(Pair("traceparent", ::testing::MatchesRegex("00-4bf92f3577b34da6a3ce929d0e0e4736-[0-9a-f]{16}-01"))));
  }
  const store::OutboxRecord record = Encode(StatusUpdate{session});
  const std::string id = Decoded<events::StatusUpdate>(record).message_id();
  EXPECT_EQ(record.headers[0].second.substr(36, 16), absl::BytesToHexString(id.substr(8)));
}

// B63
TEST_F(OutboxCodecTest, ADeadLetterIsTheWholeMessageWithItsReasonAndOriginInHeaders) {
  const std::string body("\0\xff not a fact", 14);
  const store::OutboxRecord record = Encode(DeadLetter{.topic = "charging_session_data",
                                                       .partition = 3,
                                                       .offset = 17,
                                                       .key = "cp_001",
                                                       .body = body,
                                                       .reason = "UNDECODABLE",
                                                       .detail = "not a Fact message",
                                                       .time = absl::FromUnixSeconds(5),
                                                       .written = absl::FromUnixMillis(4007),
                                                       .headers = {{"traceparent", "00-1-2-01"},
                                                                   {"ev-replays", "2"},
                                                                   {"ev-replayed-from", "dead/0/7"},
                                                                   {"ev-reason", "NONSENSE"}}});
  EXPECT_EQ(record.topic, "charging_dead_letter");
  EXPECT_EQ(record.key, "cp_001");
  EXPECT_EQ(record.value, body);
  EXPECT_THAT(record.headers, Contains(Pair("ev-reason", "UNDECODABLE")));
  EXPECT_THAT(record.headers, Contains(Pair("ev-detail", "not a Fact message")));
  EXPECT_THAT(record.headers, Contains(Pair("ev-origin-topic", "charging_session_data")));
  EXPECT_THAT(record.headers, Contains(Pair("ev-origin-partition", "3")));
  EXPECT_THAT(record.headers, Contains(Pair("ev-origin-offset", "17")));
  EXPECT_THAT(record.headers, Contains(Pair("ev-origin-timestamp", "4007")));
  // Its own headers go with it, but none that would say another reason or origin.
  EXPECT_THAT(record.headers, Contains(Pair("traceparent", "00-1-2-01")));
  EXPECT_THAT(record.headers, Contains(Pair("ev-replays", "2")));
  EXPECT_THAT(record.headers, Contains(Pair("ev-replayed-from", "dead/0/7")));
  EXPECT_THAT(record.headers, Not(Contains(Pair("ev-reason", "NONSENSE"))));
}

// B63 B60
TEST_F(OutboxCodecTest, ADeadLetterIsNotReplacedByAnotherMessageOfTheSameOriginAndIsByItself) {
  store::InMemoryStore store(1, "0123456789abcdef0123456789abcdef", absl::FromUnixSeconds(5));
  const std::int64_t epoch = store.TakeShards("test", "")->at(0).epoch;
  DeadLetter letter{.topic = "t", .partition = 1, .offset = 11, .key = "cp_001", .body = "one", .reason = {}};
  const store::OutboxRecord first = Encode(letter);
  letter.body = "two";  // The topic was made anew.
  const store::OutboxRecord other_body = Encode(letter);
  letter.key = "cp_002";
  const store::OutboxRecord other_key = Encode(letter);
  std::set<std::string> message_ids;
  for (const store::OutboxRecord& record : {first, other_body, other_key, first}) {
    store::ShardBatch batch{.shard = 0, .epoch = epoch};
    batch.outbox = {record};
    ASSERT_TRUE(store.Commit({batch})[0].ok());
    for (const auto& [name, value] : record.headers) {
      if (name == "ev-message-id") message_ids.insert(value);
    }
  }
  EXPECT_EQ(store.OutboxSize().value(), 3);
  EXPECT_EQ(message_ids.size(), 3u);
}

TEST_F(OutboxCodecTest, TheSameThingHasTheSameIdAndAnotherThingAnother) {
  const StatusUpdate update{Completed()};
  StatusUpdate later = update;
  later.session.revision.counter++;
  StatusUpdate restarted = update;
  restarted.session.revision.incarnation++;
  EXPECT_EQ(Encode(update), Encode(update));
  EXPECT_EQ(Encode(update).id, OutboxCodec(topics_).Encode(OutboxItem(update)).id);

  DeadLetter letter{.topic = "t", .partition = 1, .offset = 11, .key = {}, .body = {}, .reason = {}, .detail = {}};
  DeadLetter other_place = letter;
  other_place.partition = 11;
  other_place.offset = 1;
  const DenialUpdate denial{.id = "7", .driver = DriverId("d"), .cp = CpId("c"), .text = {}};
  const Alert alert{.cp = CpId("c"), .session = {}, .text = {}, .time = {}, .id = "7"};
  std::set<std::string> ids;
  std::set<std::string> message_ids;
  for (const OutboxItem& item : {OutboxItem(update), OutboxItem(later), OutboxItem(restarted), OutboxItem(denial)}) {
    const store::OutboxRecord record = Encode(item);
    ids.insert(record.id);
    message_ids.insert(Decoded<events::StatusUpdate>(record).message_id());
  }
  for (const OutboxItem& item : {OutboxItem(letter), OutboxItem(other_place), OutboxItem(alert)}) {
    ids.insert(Encode(item).id);
  }
  message_ids.insert(Decoded<events::Alert>(Encode(alert)).message_id());
  EXPECT_EQ(ids.size(), 7u);
  EXPECT_EQ(message_ids.size(), 5u);
  for (const std::string& id : message_ids) EXPECT_EQ(id.size(), 16u);
}

// B103
TEST_F(OutboxCodecTest, OfASessionThatMayBeReplacedOnlyTheNewestIsKept) {
  StatusUpdate update{.session = Completed(), .ticket = std::nullopt, .replaceable = true};
  const std::string first = Encode(update).id;
  update.session.revision.counter++;
  EXPECT_EQ(Encode(update).id, first);
  update.replaceable = false;
  EXPECT_NE(Encode(update).id, first);
}

TEST_F(OutboxCodecTest, EveryKindOfAlertHasItsWordsOnTheWire) {
  std::set<int> kinds;
  for (int i = 1; IsKnown(static_cast<AlertKind>(i)); ++i) {
    const store::OutboxRecord record = Encode(Alert{.kind = static_cast<AlertKind>(i),
                                                    .cp = CpId("cp_001"),
                                                    .session = {},
                                                    .text = "something happened",
                                                    .time = absl::FromUnixSeconds(5),
                                                    .id = "a"});
    EXPECT_EQ(record.topic, "system_alerts");
    EXPECT_EQ(record.key, "cp_001");
    const auto message = Decoded<events::Alert>(record);
    // The log and the metrics use the same word.
    EXPECT_EQ(events::AlertKind_Name(message.kind()), absl::StrCat("ALERT_KIND_", Name(static_cast<AlertKind>(i))));
    EXPECT_NE(message.severity(), events::ALERT_SEVERITY_UNSPECIFIED) << i;
    EXPECT_EQ(message.text(), "something happened");
    kinds.insert(message.kind());
  }
  EXPECT_EQ(kinds.size(), static_cast<std::size_t>(kAlertKinds));
  EXPECT_EQ(Encode(Alert{.kind = AlertKind::kGap, .cp = {}, .session = {}, .text = {}, .time = {}, .id = "b"}).key,
            "ev-central");
}

}  // namespace
}  // namespace ev::central
