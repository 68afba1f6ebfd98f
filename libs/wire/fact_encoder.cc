#include "wire/fact_encoder.h"

#include "evcharging/events/v1/facts.pb.h"
#include "wire/common_codec.h"

namespace ev::wire {

std::string EncodeFact(const Fact& fact) {
  evcharging::events::v1::Fact out;
  out.set_message_id(fact.message_id.bytes.data(), fact.message_id.bytes.size());
  out.set_charging_point_id(fact.cp.value());
  out.set_session_id(fact.session.value());
  out.set_grant_number(fact.grant.number.value());
  out.set_sequence(static_cast<std::int32_t>(fact.sequence));
  *out.mutable_event_time() = ToProto(fact.time);
  out.set_energy_mwh(fact.energy_mwh);
  out.set_power_w(static_cast<std::int32_t>(fact.power_w));
  out.set_amount_micros(fact.amount_micros);
  switch (fact.kind) {
    case FactKind::kStart: {
      auto& start = *out.mutable_session_start();
      *start.mutable_grant() = ToProto(fact.grant);
      start.set_register_mwh(fact.register_mwh);
      break;
    }
    case FactKind::kSample:
      out.mutable_sample();
      break;
    case FactKind::kFinal: {
      auto& final = *out.mutable_session_final();
      *final.mutable_grant() = ToProto(fact.grant);
      final.set_register_mwh(fact.register_mwh);
      final.set_end_reason(static_cast<evcharging::common::v1::EndReason>(fact.end_reason));
      *final.mutable_start_time() = ToProto(fact.start);
      *final.mutable_end_time() = ToProto(fact.end);
      break;
    }
  }
  return out.SerializeAsString();
}

}  // namespace ev::wire
