#include "domain/fact.h"

#include <gtest/gtest.h>

#include <functional>

#include "tests/support/status_matchers.h"

namespace ev {
namespace {

using ::testing::HasSubstr;

MessageId SomeId() {
  MessageId id;
  id.bytes[0] = 1;
  return id;
}

Fact Good(FactKind kind) {
  Fact fact;
  fact.message_id = SomeId();
  fact.kind = kind;
  fact.cp = CpId("cp_001");
  fact.session = SessionId("0123456789abcdef0123456789abcdef");
  fact.sequence = kind == FactKind::kStart ? 0 : 3;
  fact.time = absl::FromUnixSeconds(1000);
  fact.energy_mwh = kind == FactKind::kStart ? 0 : 500;
  fact.grant.session = fact.session;
  fact.grant.cp = fact.cp;
  fact.grant.number = GrantNumber(1);
  fact.grant.price = {350'000, "EUR"};
  fact.start = absl::FromUnixSeconds(900);
  fact.end = absl::FromUnixSeconds(1000);
  fact.end_reason = EndReason::kUnplugged;
  return fact;
}

struct Case {
  const char* named;  // What the error must name.
  std::function<void(Fact&)> spoil;
};

void ExpectRefused(FactKind kind, const Case& c) {
  Fact fact = Good(kind);
  c.spoil(fact);
  EXPECT_THAT(CheckFact(fact), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(c.named))) << c.named;
}

TEST(FactTest, WhatIsPossibleIsAccepted) {
  for (FactKind kind : {FactKind::kStart, FactKind::kSample, FactKind::kFinal}) {
    EXPECT_THAT(CheckFact(Good(kind)), IsOk());
  }
}

// B63 B160
TEST(FactTest, NonsenseIsRefusedInEveryKindAndNamed) {
  const Case cases[] = {
      {"message_id", [](Fact& f) { f.message_id = {}; }},
      {"sequence", [](Fact& f) { f.sequence = -1; }},
      {"energy_mwh", [](Fact& f) { f.energy_mwh = -1; }},
      {"energy_mwh", [](Fact& f) { f.energy_mwh = kMaxSessionEnergyMwh + 1; }},
      {"power_w", [](Fact& f) { f.power_w = -1; }},
      {"power_w", [](Fact& f) { f.power_w = kMaxPowerW + 1; }},
      {"amount_micros", [](Fact& f) { f.amount_micros = -1; }},
      {"amount_micros", [](Fact& f) { f.amount_micros = kMaxAmountMicros + 1; }},
  };
  for (FactKind kind : {FactKind::kStart, FactKind::kSample, FactKind::kFinal}) {
    for (const Case& c : cases) ExpectRefused(kind, c);
  }
}

// B63 B126
TEST(FactTest, AStartOrFinalWithAGrantOfSomethingElseIsRefused) {
  const Case cases[] = {
      {"register_mwh", [](Fact& f) { f.register_mwh = -1; }},
      {"grant", [](Fact& f) { f.grant.session = SessionId("ffffffffffffffffffffffffffffffff"); }},
      {"grant", [](Fact& f) { f.grant.cp = CpId("cp_002"); }},
      {"grant_number", [](Fact& f) { f.grant.number = GrantNumber(0); }},
      {"grant_number", [](Fact& f) { f.grant.number = GrantNumber(kMaxCounter + 1); }},
      {"price", [](Fact& f) { f.grant.price.micros_per_kwh = -1; }},
      {"currency", [](Fact& f) { f.grant.price.currency = ""; }},
  };
  for (FactKind kind : {FactKind::kStart, FactKind::kFinal}) {
    for (const Case& c : cases) ExpectRefused(kind, c);
  }
  Fact sample = Good(FactKind::kSample);
  sample.grant = {};  // Samples carry none.
  EXPECT_THAT(CheckFact(sample), IsOk());
}

// B63 B160
TEST(FactTest, ATimeThatCannotBeKeptExactlyIsRefusedAndAnUnsetClockIsNot) {
  const absl::Time kTooEarly[] = {absl::FromUnixSeconds(-62'135'596'800), absl::UnixEpoch() - absl::Nanoseconds(1),
                                  absl::InfinitePast()};
  const absl::Time kTooLate[] = {absl::FromUnixSeconds(7'258'118'400), absl::FromUnixSeconds(253'402'300'799),
                                 absl::InfiniteFuture()};
  for (const auto& times : {kTooEarly, kTooLate}) {
    for (const absl::Time time : {times[0], times[1], times[2]}) {
      for (FactKind kind : {FactKind::kStart, FactKind::kSample, FactKind::kFinal}) {
        ExpectRefused(kind, {"event_time", [&](Fact& f) { f.time = time; }});
      }
      ExpectRefused(FactKind::kStart, {"authorised_time", [&](Fact& f) { f.grant.authorised = time; }});
      ExpectRefused(FactKind::kFinal, {"authorised_time", [&](Fact& f) { f.grant.authorised = time; }});
      ExpectRefused(FactKind::kFinal, {"start_time", [&](Fact& f) { f.start = time; }});
      ExpectRefused(FactKind::kFinal, {"end_time", [&](Fact& f) { f.end = time; }});
    }
  }
  Fact unset = Good(FactKind::kFinal);
  unset.time = unset.start = unset.end = unset.grant.authorised = absl::UnixEpoch();
  EXPECT_THAT(CheckFact(unset), IsOk());
}

// B63
TEST(FactTest, AStartThatCarriesEnergyIsRefused) {
  ExpectRefused(FactKind::kStart, {"energy", [](Fact& f) { f.energy_mwh = 1; }});
}

// B63
TEST(FactTest, AFinalWithoutAReasonOrThatEndsBeforeItStartsIsRefused) {
  ExpectRefused(FactKind::kFinal, {"reason", [](Fact& f) { f.end_reason = EndReason::kNone; }});
  ExpectRefused(FactKind::kFinal, {"before", [](Fact& f) { f.end = f.start - absl::Seconds(1); }});
  Fact instant = Good(FactKind::kFinal);
  instant.end = instant.start;
  EXPECT_THAT(CheckFact(instant), IsOk());
}

}  // namespace
}  // namespace ev
