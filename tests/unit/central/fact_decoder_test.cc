#include "services/central/adapters/fact_decoder.h"

#include <gmock/gmock.h>

#include <string>

#include "evcharging/events/v1/facts.pb.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/central/facts_on_kafka.h"
#include "wire/fact_encoder.h"

namespace ev::central {
namespace {

namespace events = evcharging::events::v1;

constexpr FactKind kKinds[] = {FactKind::kStart, FactKind::kSample, FactKind::kFinal};

Fact Full(FactKind kind) {
  Session session = GrantedSession();
  session.target = EnergyTarget{5'000'000};
  return MakeFact(kind, session, 7, kind == FactKind::kStart ? 0 : 1'234'567);
}

events::Fact WireOf(FactKind kind) {
  events::Fact message;
  EXPECT_TRUE(message.ParseFromString(wire::EncodeFact(Full(kind))));
  return message;
}

// What a message that was changed becomes: in a slot that was never used, and in one that held a fact of the same kind.
template <typename Change>
void ExpectInvalidInEverySlot(FactKind kind, Change change) {
  events::Fact message = WireOf(kind);
  change(message);
  const std::string body = message.SerializeAsString();
  FactDecoder decoder;
  Fact fresh;
  EXPECT_THAT(decoder.Decode(body, fresh), StatusIs(absl::StatusCode::kInvalidArgument));
  Fact used;
  EV_ASSERT_OK(decoder.Decode(wire::EncodeFact(Full(kind)), used));
  EXPECT_THAT(decoder.Decode(body, used), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(FactDecoderTest, AFactComesBackAsItsChargingPointPublishedIt) {
  FactDecoder decoder;
  for (const FactKind kind : kKinds) {
    Fact back;
    EV_EXPECT_OK(decoder.Decode(wire::EncodeFact(Full(kind)), back));
    EXPECT_EQ(back, Full(kind));
  }
}

// B125
TEST(FactDecoderTest, NothingIsLeftOfTheFactThatWasInTheSlotBefore) {
  FactDecoder decoder;
  Session other = GrantedSession('b', "cp_002");
  other.driver = DriverId("driver_002");
  other.price = {.micros_per_kwh = 1, .currency = "USD"};
  for (const FactKind before : kKinds) {
    for (const FactKind kind : kKinds) {
      Fact slot;
      EV_ASSERT_OK(decoder.Decode(wire::EncodeFact(Full(before)), slot));
      const Fact next = MakeFact(kind, other, 3, kind == FactKind::kStart ? 0 : 9);
      EV_ASSERT_OK(decoder.Decode(wire::EncodeFact(next), slot));
      EXPECT_EQ(slot, next) << "kind " << static_cast<int>(kind) << " after " << static_cast<int>(before);
    }
  }
}

// B63 B125
TEST(FactDecoderTest, AnIdThatIsMissingIsNotTakenFromTheMessageBefore) {
  for (const FactKind kind : kKinds) {
    ExpectInvalidInEverySlot(kind, [](events::Fact& m) { m.clear_charging_point_id(); });
    ExpectInvalidInEverySlot(kind, [](events::Fact& m) { m.clear_session_id(); });
    ExpectInvalidInEverySlot(kind, [](events::Fact& m) { m.clear_message_id(); });
  }
  const auto start = [](auto change) {
    ExpectInvalidInEverySlot(FactKind::kStart,
                             [&](events::Fact& m) { change(*m.mutable_session_start()->mutable_grant()); });
  };
  const auto final = [](auto change) {
    ExpectInvalidInEverySlot(FactKind::kFinal,
                             [&](events::Fact& m) { change(*m.mutable_session_final()->mutable_grant()); });
  };
  const auto without_driver = [](auto& grant) { grant.clear_driver_id(); };
  const auto without_session = [](auto& grant) { grant.clear_session_id(); };
  const auto without_cp = [](auto& grant) { grant.clear_charging_point_id(); };
  start(without_driver);
  start(without_session);
  start(without_cp);
  final(without_driver);
  final(without_session);
  final(without_cp);
}

// B63 B160
TEST(FactDecoderTest, WhatCannotBeReadIsAnError) {
  FactDecoder decoder;
  Fact fact;
  EXPECT_THAT(decoder.Decode("\xff\xff\xff", fact), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(decoder.Decode("", fact), StatusIs(absl::StatusCode::kInvalidArgument));
  for (const FactKind kind : kKinds) {
    ExpectInvalidInEverySlot(kind, [](events::Fact& m) { m.clear_body(); });
    ExpectInvalidInEverySlot(kind, [](events::Fact& m) { m.set_message_id("fifteen bytes.."); });
    ExpectInvalidInEverySlot(kind, [](events::Fact& m) { m.set_charging_point_id("cp\n001"); });
    ExpectInvalidInEverySlot(kind, [](events::Fact& m) { m.set_session_id("cp_001"); });
    ExpectInvalidInEverySlot(kind, [](events::Fact& m) { m.mutable_event_time()->set_nanos(-1); });
    ExpectInvalidInEverySlot(kind, [](events::Fact& m) { m.mutable_event_time()->set_seconds(1LL << 50); });
  }
  ExpectInvalidInEverySlot(FactKind::kFinal, [](events::Fact& m) {
    m.mutable_session_final()->set_end_reason(static_cast<evcharging::common::v1::EndReason>(99));
  });
  ExpectInvalidInEverySlot(FactKind::kFinal,
                           [](events::Fact& m) { m.mutable_session_final()->mutable_end_time()->set_nanos(-1); });
  ExpectInvalidInEverySlot(FactKind::kStart, [](events::Fact& m) {
    m.mutable_session_start()->mutable_grant()->mutable_target()->set_energy_mwh(-5);
  });
}

TEST(FactDecoderTest, AMessageThatCannotBeReadLeavesTheNextAlone) {
  FactDecoder decoder;
  Fact slot;
  events::Fact bad = WireOf(FactKind::kFinal);
  bad.mutable_session_final()->mutable_grant()->clear_driver_id();
  EXPECT_THAT(decoder.Decode(bad.SerializeAsString(), slot), StatusIs(absl::StatusCode::kInvalidArgument));
  EV_EXPECT_OK(decoder.Decode(wire::EncodeFact(Full(FactKind::kSample)), slot));
  EXPECT_EQ(slot, Full(FactKind::kSample));
}

}  // namespace
}  // namespace ev::central
