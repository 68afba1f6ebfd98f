#include "services/engine/core/charge.h"

#include <algorithm>
#include <utility>
#include <variant>

namespace ev::engine {
namespace {

std::int64_t MostEnergyMwh(const Grant& grant) {
  if (const auto* energy = std::get_if<EnergyTarget>(&grant.target)) {
    return std::min(energy->energy_mwh, kMaxSessionEnergyMwh);
  }
  if (const auto* amount = std::get_if<AmountTarget>(&grant.target)) {
    return EnergyWithinAmountMwh(amount->amount_micros, grant.price.micros_per_kwh);
  }
  return kMaxSessionEnergyMwh;
}

std::int64_t EnergySince(std::int64_t start_mwh, std::int64_t now_mwh) {
  return std::clamp<std::int64_t>(now_mwh - start_mwh, 0, kMaxSessionEnergyMwh);
}

}  // namespace

Charge::Charge(Fact start, Moment begun)
    : start_(std::move(start)), begun_(begun), register_mwh_(start_.register_mwh) {}

Fact Charge::StartFact(const Grant& grant, MeterReading meter, Moment now, IdSource& ids) {
  return {.message_id = ids.NewMessageId(now.utc),
          .kind = FactKind::kStart,
          .cp = grant.cp,
          .session = grant.session,
          .sequence = 0,
          .time = now.utc,
          .grant = grant,
          .register_mwh = meter.register_mwh,
          .start = now.utc,
          .end = {},
          .end_reason = EndReason::kNone};
}

std::int64_t Charge::limit_register_mwh() const {
  return start_.register_mwh + MostEnergyMwh(start_.grant);
}

bool Charge::TimeIsUp(Moment now) const {
  const auto* target = std::get_if<DurationTarget>(&start_.grant.target);
  return target != nullptr && now.monotonic - begun_.monotonic >= target->duration;
}

void Charge::Meter(MeterReading meter) {
  register_mwh_ = std::max(register_mwh_, meter.register_mwh);
  energy_mwh_ = EnergySince(start_.register_mwh, register_mwh_);
  power_w_ = std::clamp<std::int64_t>(meter.power_w, 0, kMaxPowerW);
}

std::int64_t Charge::amount_micros() const {
  return AmountMicros(energy_mwh_, start_.grant.price.micros_per_kwh);
}

Fact Charge::Next(FactKind kind, Moment now, IdSource& ids) {
  Fact fact;
  fact.message_id = ids.NewMessageId(now.utc);
  fact.kind = kind;
  fact.cp = start_.cp;
  fact.session = start_.session;
  fact.sequence = ++sequence_;
  fact.time = now.utc;
  fact.energy_mwh = energy_mwh_;
  fact.power_w = power_w_;
  fact.amount_micros = amount_micros();
  return fact;
}

Fact Charge::Sample(Moment now, IdSource& ids) {
  Fact fact = Next(FactKind::kSample, now, ids);
  // For what travels around it; a sample carries no grant.
  fact.grant.number = start_.grant.number;
  fact.grant.trace = start_.grant.trace;
  return fact;
}

Fact Charge::Final(EndReason reason, Moment now, IdSource& ids) {
  power_w_ = 0;
  Fact fact = Next(FactKind::kFinal, now, ids);
  fact.grant = start_.grant;
  fact.register_mwh = register_mwh_;
  fact.start = start_.time;
  // By the monotonic clock: the wall clock may have jumped since, and a charge cannot end before it began.
  fact.end = start_.time + (now.monotonic - begun_.monotonic);
  fact.end_reason = reason;
  return fact;
}

Fact FinalAfterRestart(const journal::OpenSession& open, std::int64_t register_mwh, Moment now, IdSource& ids) {
  const Fact& start = open.start;
  Fact fact;
  fact.message_id = ids.NewMessageId(now.utc);
  fact.kind = FactKind::kFinal;
  fact.cp = start.cp;
  fact.session = start.session;
  fact.sequence = open.last_sequence + 1;
  fact.time = now.utc;
  fact.energy_mwh = std::max(EnergySince(start.register_mwh, register_mwh), open.last_energy_mwh);
  fact.amount_micros = AmountMicros(fact.energy_mwh, start.grant.price.micros_per_kwh);
  fact.grant = start.grant;
  fact.register_mwh = std::max(register_mwh, start.register_mwh);
  fact.start = start.time;
  fact.end = std::max(now.utc, start.time);
  fact.end_reason = EndReason::kEngineRestarted;
  return fact;
}

}  // namespace ev::engine
