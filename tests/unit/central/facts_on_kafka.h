#ifndef EV_TESTS_UNIT_CENTRAL_FACTS_ON_KAFKA_H_
#define EV_TESTS_UNIT_CENTRAL_FACTS_ON_KAFKA_H_

#include <cstdint>
#include <string>

#include "domain/fact.h"
#include "domain/money.h"

namespace ev::central {

// A session as Central granted it, and the facts that its charging point publishes.
inline Session GrantedSession(char digit = 'a', const std::string& cp = "cp_001") {
  return {.id = SessionId(std::string(32, digit)),
          .cp = CpId(cp),
          .driver = DriverId("driver_001"),
          .number = GrantNumber(1),
          .price = {.micros_per_kwh = 350'000, .currency = "EUR"},
          .target = {},
          .state = SessionState::kGranted,
          .denial_text = {},
          .requested = absl::FromUnixSeconds(1'700'000'000),
          .updated = absl::FromUnixSeconds(1'700'000'000)};
}

inline Fact MakeFact(FactKind kind, const Session& session, std::int64_t sequence, std::int64_t energy_mwh) {
  const absl::Time start = absl::FromUnixSeconds(1'700'000'010);
  Fact fact{.message_id = {},
            .kind = kind,
            .cp = session.cp,
            .session = session.id,
            .sequence = sequence,
            .time = start + absl::Seconds(sequence),
            .energy_mwh = energy_mwh,
            .power_w = kind == FactKind::kSample ? 11'000 : 0,
            .amount_micros = AmountMicros(energy_mwh, session.price.micros_per_kwh),
            .grant = {},
            .start = {},
            .end = {}};
  fact.message_id.bytes[0] = static_cast<std::uint8_t>(session.id.value()[0]);
  fact.message_id.bytes[1] = static_cast<std::uint8_t>(fact.kind);
  fact.message_id.bytes[15] = static_cast<std::uint8_t>(sequence);
  if (kind == FactKind::kSample) return fact;
  fact.register_mwh = 1'000'000 + energy_mwh;
  fact.grant = {.session = session.id,
                .cp = session.cp,
                .number = session.number,
                .driver = session.driver,
                .price = session.price,
                .target = session.target,
                .authorised = session.requested,
                .key_id = "k1",
                .signature = "signed"};
  if (kind == FactKind::kStart) return fact;
  fact.start = start;
  fact.end = fact.time;
  fact.end_reason = EndReason::kUnplugged;
  return fact;
}

}  // namespace ev::central

#endif  // EV_TESTS_UNIT_CENTRAL_FACTS_ON_KAFKA_H_
