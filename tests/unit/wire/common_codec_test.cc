#include "wire/common_codec.h"

#include "base/error_detail.h"
#include "evcharging/events/v1/facts.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "wire/fact_encoder.h"

namespace ev::wire {
namespace {

Grant MakeGrant() {
  return {.session = SessionId("0123456789abcdef0123456789abcdef"),
          .cp = CpId("cp_001"),
          .number = GrantNumber(7),
          .driver = DriverId("driver_001"),
          .price = {.micros_per_kwh = 350'000, .currency = "EUR"},
          .target = EnergyTarget{.energy_mwh = 5'000'000},
          .authorised = absl::FromUnixNanos(1'750'000'000'123'456'789),
          .key_id = "k1",
          .signature = std::string("\0\xff\x01", 3),
          .trace = ParseTraceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")};
}

TEST(CommonCodecTest, ATicketSaysAllThatWasBooked) {
  Ticket ticket{.id = "t-a",
                .session = SessionId("s"),
                .kind = TicketKind::kAdjustment,
                .cp = CpId("cp_001"),
                .driver = DriverId("driver_001"),
                .price = {.micros_per_kwh = 350'000, .currency = "EUR"},
                .energy_mwh = -1,
                .amount_micros = -2,
                .start = absl::FromUnixNanos(1'000'000'001),
                .end = absl::FromUnixNanos(2'000'000'002),
                .issued = absl::FromUnixNanos(3'000'000'003),
                .end_reason = EndReason::kWrittenOff,
                .estimated = true,
                .recovered = true,
                .adjusts_ticket = "t"};
  const pb::Ticket proto = ToProto(ticket);
  EXPECT_EQ(proto.ticket_id(), "t-a");
  EXPECT_EQ(proto.session_id(), "s");
  EXPECT_EQ(proto.kind(), pb::TICKET_KIND_ADJUSTMENT);
  EXPECT_EQ(proto.charging_point_id(), "cp_001");
  EXPECT_EQ(proto.driver_id(), "driver_001");
  EXPECT_EQ(proto.price().micros_per_kwh(), 350'000);
  EXPECT_EQ(proto.price().currency(), "EUR");
  EXPECT_EQ(proto.energy_mwh(), -1);
  EXPECT_EQ(proto.amount_micros(), -2);
  EXPECT_EQ(proto.start_time().nanos(), 1);
  EXPECT_EQ(proto.end_time().nanos(), 2);
  EXPECT_EQ(proto.create_time().nanos(), 3);
  EXPECT_EQ(proto.end_reason(), pb::END_REASON_WRITTEN_OFF);
  EXPECT_TRUE(proto.estimated());
  EXPECT_TRUE(proto.recovered());
  EXPECT_EQ(proto.adjusts_ticket_id(), "t");

  ticket.start = ticket.end = absl::InfinitePast();
  EXPECT_FALSE(ToProto(ticket).has_start_time() || ToProto(ticket).has_end_time()) << "it did not happen";
}

TEST(CommonCodecTest, AGrantComesBackAsItWas) {
  for (const Target& target :
       {Target(), Target(EnergyTarget{1}), Target(AmountTarget{2}), Target(DurationTarget{absl::Milliseconds(1500)})}) {
    Grant grant = MakeGrant();
    grant.target = target;
    const auto back = FromProto(ToProto(grant));
    ASSERT_THAT(back, IsOk());
    EXPECT_EQ(*back, grant);
  }
}

// B220 B221
TEST(CommonCodecTest, AGrantCarriesItsTraceUnderTheSessionsOwnIdAndGarbageThereIsNoTrace) {
  pb::Grant proto = ToProto(MakeGrant());
  EXPECT_EQ(proto.traceparent(), "00-4bf92f3577b34da6a3ce929d0e0e4736-0123456789abcdef-01");
  for (const std::string& garbage : {std::string(), std::string("\n\x1b[2J"), std::string(100'000, '0')}) {
    proto.set_traceparent(garbage);
    const auto grant = FromProto(proto);
    ASSERT_THAT(grant, IsOk()) << "a charge is not denied for it";
    EXPECT_TRUE(grant->trace.empty());
  }
}

// B220
TEST(CommonCodecTest, ARequestMadeAtTheChargingPointCarriesItsTrace) {
  const PointRequest request{
      .request_id = "r1", .driver = DriverId("driver_001"), .target = {}, .waited = {}, .trace = MakeGrant().trace};
  const auto back = FromProto(ToProto(request));
  ASSERT_THAT(back, IsOk());
  EXPECT_EQ(back->trace, request.trace);
  EXPECT_EQ(ToProto(*back).traceparent(), ToProto(request).traceparent()) << "a repeat is the same operation";
}

TEST(CommonCodecTest, ATimeThatTheWireCannotSayBecomesTheNearestThatItCan) {
  const absl::Time first = absl::FromUnixSeconds(-62'135'596'800);
  const absl::Time last = absl::FromUnixSeconds(253'402'300'799);
  EXPECT_EQ(*FromProto(ToProto(first + absl::Nanoseconds(1))), first + absl::Nanoseconds(1));
  EXPECT_EQ(*FromProto(ToProto(first - absl::Nanoseconds(1))), first);
  EXPECT_EQ(*FromProto(ToProto(absl::InfinitePast())), first);
  EXPECT_EQ(*FromProto(ToProto(last + absl::Hours(1))), last);
  EXPECT_EQ(*FromProto(ToProto(absl::InfiniteFuture())), last);
}

TEST(CommonCodecTest, ABadGrantNamesItsField) {
  const auto field = [](auto change) {
    pb::Grant grant = ToProto(MakeGrant());
    change(grant);
    const auto decoded = FromProto(grant);
    EXPECT_THAT(decoded, StatusIs(absl::StatusCode::kInvalidArgument));
    const auto detail = DetailOf(decoded.status());
    return detail.fields.empty() ? "" : detail.fields[0].field;
  };
  EXPECT_EQ(field([](pb::Grant& g) { g.set_session_id("x"); }), "grant.session_id");
  EXPECT_EQ(field([](pb::Grant& g) { g.set_charging_point_id("a\nb"); }), "grant.charging_point_id");
  EXPECT_EQ(field([](pb::Grant& g) { g.set_driver_id(""); }), "grant.driver_id");
  EXPECT_EQ(field([](pb::Grant& g) { g.set_grant_number(0); }), "grant.grant_number");
  EXPECT_EQ(field([](pb::Grant& g) { g.mutable_price()->set_micros_per_kwh(-1); }), "grant.price");
  EXPECT_EQ(field([](pb::Grant& g) { g.mutable_target()->set_energy_mwh(-5); }), "target");
  EXPECT_EQ(field([](pb::Grant& g) { g.mutable_authorised_time()->set_nanos(-5); }), "grant.authorised_time");
}

TEST(CommonCodecTest, TimesAndDurationsAreExactOnBothSidesOfZero) {
  for (const std::int64_t nanos : {0LL, 1LL, -1LL, 1'999'999'999LL, -1'999'999'999LL}) {
    EXPECT_EQ(*FromProto(ToProto(absl::FromUnixNanos(nanos))), absl::FromUnixNanos(nanos));
    EXPECT_EQ(FromProto(ToProto(absl::Nanoseconds(nanos))), absl::Nanoseconds(nanos));
  }
}

TEST(CommonCodecTest, AReportComesBackAsItWas) {
  EngineReport report;
  report.health = EngineHealth::kFaulted;
  report.fault = "ground fault";
  report.configured_epoch = LinkEpoch(3);
  report.mark = GrantNumber(9);
  report.journal_id = "j";
  report.journal_room = 12;
  report.journal_full = true;
  report.occupation = Occupation{SessionId("s"), GrantNumber(9), Phase::kCharging, 5, 6, 7};
  report.unsettled = {{SessionId("s"), GrantNumber(9), true, false}, {SessionId("t"), GrantNumber(8), false, true}};
  report.unsettled_total = 2;
  const auto back = FromProto(ToProto(report));
  ASSERT_THAT(back, IsOk());
  EXPECT_EQ(*back, report);
}

TEST(CommonCodecTest, OnlyAClearVerdictSettles) {
  pb::Settlement settlement;
  settlement.set_session_id("s");
  settlement.set_settles_final(true);
  EXPECT_THAT(FromProto(settlement), StatusIs(absl::StatusCode::kInvalidArgument));
  settlement.set_verdict(pb::SETTLEMENT_VERDICT_BOOKED);
  EXPECT_THAT(FromProto(settlement), IsOk());
  EXPECT_FALSE(FromProto(settlement)->refused);
  settlement.set_verdict(pb::SETTLEMENT_VERDICT_REFUSED);
  EXPECT_THAT(FromProto(settlement), StatusIs(absl::StatusCode::kInvalidArgument)) << "what is refused must be named";
  settlement.set_message_id(std::string(16, '\x07'));
  EXPECT_TRUE(FromProto(settlement)->refused);
}

TEST(CommonCodecTest, ASettlementComesBackAsItWas) {
  Settlement refused{SessionId("s"), false, true, true, "NONSENSE", {}};
  for (std::uint8_t i = 0; i < 16; ++i) refused.message_id.bytes[i] = static_cast<std::uint8_t>(0xff - i);
  for (const Settlement& settlement : {refused, Settlement{SessionId("s"), true, true, false, "", {}}}) {
    const auto back = FromProto(ToProto(settlement));
    ASSERT_THAT(back, IsOk());
    EXPECT_EQ(*back, settlement);
  }
}

TEST(CommonCodecTest, ACauseThatIsNotKnownKeepsThePointOutOfService) {
  pb::Configuration configuration;
  configuration.set_link_epoch(1);
  configuration.mutable_price()->set_currency("EUR");
  configuration.add_causes(static_cast<pb::OutOfServiceCause>(77));
  ASSERT_THAT(FromProto(configuration), IsOk());
  EXPECT_EQ(FromProto(configuration)->causes.size(), 1u);
}

TEST(CommonCodecTest, EveryHealthAndDenialComesBack) {
  for (const auto health :
       {EngineHealth::kUnknown, EngineHealth::kHealthy, EngineHealth::kFaulted, EngineHealth::kSilent}) {
    EXPECT_EQ(FromProto(ToProto(health)), health);
  }
  for (int i = 1; i <= static_cast<int>(DenialReason::kInvalidField); ++i) {
    const auto reason = static_cast<DenialReason>(i);
    EXPECT_EQ(FromProto(ToDenial(reason, "").reason()), reason);
    // The domain's names are the wire's.
    EXPECT_EQ("DENIAL_REASON_" + std::string(Name(reason)),
              pb::DenialReason_Name(static_cast<pb::DenialReason>(reason)));
  }
  EXPECT_EQ(FromProto(static_cast<pb::DenialReason>(pb::DenialReason_MAX + 1)), DenialReason::kPointNotReady);
  EXPECT_EQ(FromProto(static_cast<pb::DenialReason>(-1)), DenialReason::kPointNotReady);
  for (int i = 1; i <= static_cast<int>(EndReason::kJournalFull); ++i) {
    EXPECT_EQ("END_REASON_" + std::string(Name(static_cast<EndReason>(i))),
              pb::EndReason_Name(static_cast<pb::EndReason>(i)));
  }
}

TEST(FactEncoderTest, ARepeatHasTheSameBytesAndAFinalCarriesTheGrant) {
  Fact fact;
  fact.message_id.bytes[3] = 9;
  fact.kind = FactKind::kFinal;
  fact.cp = CpId("cp_001");
  fact.session = MakeGrant().session;
  fact.sequence = 12;
  fact.time = absl::FromUnixSeconds(1'750'000'010);
  fact.energy_mwh = 5000;
  fact.amount_micros = 1750;
  fact.grant = MakeGrant();
  fact.register_mwh = 77'000;
  fact.start = absl::FromUnixSeconds(1'750'000'000);
  fact.end = absl::FromUnixSeconds(1'750'000'010);
  fact.end_reason = EndReason::kUnplugged;
  const std::string body = EncodeFact(fact);
  EXPECT_EQ(body, EncodeFact(fact));
  evcharging::events::v1::Fact message;
  ASSERT_TRUE(message.ParseFromString(body));
  EXPECT_EQ(message.message_id().size(), 16u);
  EXPECT_EQ(message.grant_number(), 7);
  EXPECT_EQ(message.energy_mwh(), 5000);
  ASSERT_TRUE(message.has_session_final());
  EXPECT_EQ(*FromProto(message.session_final().grant()), MakeGrant());
  EXPECT_EQ(message.session_final().register_mwh(), 77'000);
  EXPECT_EQ(message.session_final().end_reason(), pb::END_REASON_UNPLUGGED);
}

}  // namespace
}  // namespace ev::wire
