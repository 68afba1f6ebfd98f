// Facts from Kafka: what is booked, dropped, or put aside.

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/central/core/shard.h"

namespace ev::central {
namespace {

bool IsBeyondTarget(const Session& session) {
  if (const auto* energy = std::get_if<EnergyTarget>(&session.target)) return session.energy_mwh > energy->energy_mwh;
  if (const auto* amount = std::get_if<AmountTarget>(&session.target))
    return session.amount_micros > amount->amount_micros;
  return false;
}

}  // namespace

std::optional<std::int64_t> Shard::next_offset(absl::string_view topic, int partition) const {
  const auto it = offsets_.find({std::string(topic), partition});
  if (it == offsets_.end()) return std::nullopt;
  return it->second.next;
}

void Shard::ApplyFacts(const Moment& now, const FactBatch& batch, Effects& out) {
  auto [it, is_first] = offsets_.try_emplace({std::string(batch.topic), batch.partition},
                                             store::OffsetAdvance{std::string(batch.topic), batch.partition, 0, 0});
  store::OffsetAdvance& offset = it->second;
  for (const IncomingFact& in : batch.facts) {
    if (in.offset >= offset.next) ApplyFact(now, batch, in, out);
  }
  if (batch.next > offset.next) {
    offset.next = batch.next;
    ++version_;
  }
  Announce(now, out);
}

void Shard::ApplyFact(const Moment& now, const FactBatch& batch, const IncomingFact& in, Effects& out) {
  if (in.fact == nullptr) return PutAside(now, batch, in, "UNDECODABLE", std::string(in.error), out);
  const Fact& fact = *in.fact;
  if (fact.cp.value() != in.key) {
    return PutAside(now, batch, in, "WRONG_KEY", absl::StrCat("key is not the charging point id ", fact.cp.value()),
                    out);
  }
  if (in.is_misplaced) {
    // Its own shard books it. Said to nobody: what is refused here may be right there.
    return PutAside(now, batch, in, "WRONG_PARTITION",
                    absl::StrCat("facts of charging point ", fact.cp.value(), " belong into another partition"), out);
  }
  if (auto status = CheckFact(fact); !status.ok()) {
    return Refuse(now, batch, in, "NONSENSE", std::string(status.message()), out);
  }
  SessionRow* row = FindRow(fact.session);
  if (dedup_.Contains(fact.message_id) && (fact.kind == FactKind::kSample || IsBooked(fact, row))) {
    ++counters_.duplicates_lru;
    // The charging point repeats what it believes unsettled: the answer may have been lost.
    Settle(fact, out);
    return;
  }
  if (row == nullptr) {
    if (fact.kind == FactKind::kSample) {
      ++counters_.unknown_samples;
      return;
    }
    return Refuse(now, batch, in, "UNKNOWN_SESSION", absl::StrCat("no session ", fact.session.value()), out);
  }
  if (row->session.cp != fact.cp) {
    return Refuse(now, batch, in, "WRONG_CHARGING_POINT",
                  absl::StrCat("the session belongs to ", row->session.cp.value()), out);
  }
  if (fact.kind != FactKind::kSample && fact.grant.number != row->session.number) {
    return Refuse(
        now, batch, in, "WRONG_GRANT",
        absl::StrCat("grant number ", fact.grant.number.value(), ", the session has ", row->session.number.value()),
        out);
  }
  switch (fact.kind) {
    case FactKind::kSample:
      if (!ApplySample(now, batch, in, *row, out)) return;
      break;
    case FactKind::kStart:
      ApplyStart(now, fact, *row);
      break;
    case FactKind::kFinal:
      if (!ApplyFinal(now, batch, in, *row, out)) return;
      break;
  }
  Settle(fact, out);
  // Not what was put aside: a dead letter that is played again must pass.
  dedup_.Insert(fact.message_id);
}

// A lost sample changes no bill, so of samples the id may decide. Of starts and finals the ledger does: an id that came
// with some other fact must not hide them.
bool Shard::IsBooked(const Fact& fact, const SessionRow* row) {
  if (row == nullptr) return false;
  return fact.kind == FactKind::kStart ? row->session.start_booked : row->session.final_booked;
}

bool Shard::ApplySample(const Moment& now, const FactBatch& batch, const IncomingFact& in, SessionRow& row,
                        Effects& out) {
  const Fact& fact = *in.fact;
  Session& session = row.session;
  if (!IsOpen(session.state)) {
    ++counters_.late_samples;
    return true;
  }
  if (fact.sequence <= session.sequence) {
    ++counters_.duplicates_sequence;
    return true;
  }
  if (fact.energy_mwh < session.energy_mwh) {
    PutAside(now, batch, in, "NONSENSE",
             absl::StrCat("energy_mwh fell from ", session.energy_mwh, " to ", fact.energy_mwh), out);
    return false;
  }
  if (session.state != SessionState::kAwaitingFinal) Move(now, row, SessionState::kCharging);
  if (session.start == absl::InfinitePast()) session.start = fact.time;
  session.sequence = fact.sequence;
  session.energy_mwh = fact.energy_mwh;
  session.power_w = session.state == SessionState::kCharging ? fact.power_w : 0;
  session.amount_micros = AmountMicros(fact.energy_mwh, session.price.micros_per_kwh);
  session.measured = session.updated = fact.time;
  ++counters_.facts_applied;
  Touch(row);
  if (Point* point = FindPoint(session.cp)) TouchView(*point);
  return true;
}

void Shard::ApplyStart(const Moment& now, const Fact& fact, SessionRow& row) {
  Session& session = row.session;
  if (session.start_booked) {
    ++counters_.duplicates_sequence;
    return;
  }
  session.start_booked = true;
  session.register_start_mwh = fact.register_mwh;
  // A closed session, or one that ended, is not opened again by a start that comes late.
  if (IsOpen(session.state)) {
    session.start = fact.time;
    session.measured = std::max(session.measured, fact.time);
    if (fact.sequence > session.sequence) session.sequence = fact.sequence;
    Move(now, row, SessionState::kCharging);
  }
  CompareRegisters(now, session);
  ++counters_.facts_applied;
  Touch(row);
}

bool Shard::ApplyFinal(const Moment& now, const FactBatch& batch, const IncomingFact& in, SessionRow& row,
                       Effects& out) {
  const Fact& fact = *in.fact;
  Session& session = row.session;
  if (session.final_booked) {
    if (fact.energy_mwh == session.energy_mwh && fact.register_mwh == session.register_end_mwh) {
      ++counters_.duplicates_sequence;
      return true;
    }
    // The first stays booked. One of the two is wrong, and energy may be missing on the bill.
    const std::string what =
        absl::StrCat("another final of ", fact.energy_mwh, " mWh, the meter at ", fact.register_mwh, "; booked were ",
                     session.energy_mwh, " mWh, the meter at ", session.register_end_mwh);
    RaiseAlert(now, AlertKind::kAmountDiffers, session.cp, session.id, what);
    PutAside(now, batch, in, "FINAL_DIFFERS", what, out);
    Settle(fact, out);
    return false;
  }
  if (session.written_off && session.state == SessionState::kCompleted) {
    RaiseAlert(now, AlertKind::kDeadLetter, session.cp, session.id,
               absl::StrCat("final figures of ", fact.energy_mwh, " mWh came after the session was written off at ",
                            session.energy_mwh, " mWh: they are not billed"));
    Refuse(now, batch, in, "WRITTEN_OFF", "the session was closed by the operator", out);
    return false;
  }
  const bool recovered = !IsOpen(session.state);
  if (fact.energy_mwh < session.energy_mwh) {
    // The meter's final word counts, but someone should look at that meter.
    RaiseAlert(now, AlertKind::kAmountDiffers, session.cp, session.id,
               absl::StrCat("the final energy ", fact.energy_mwh, " mWh is below a sample of ", session.energy_mwh));
  }
  session.final_booked = true;
  session.start = fact.start;
  session.end = fact.end;
  session.end_reason = fact.end_reason;
  session.sequence = std::max(session.sequence, fact.sequence);
  session.register_end_mwh = fact.register_mwh;
  session.measured = fact.time;
  session.energy_mwh = fact.energy_mwh;
  session.amount_micros = AmountMicros(fact.energy_mwh, session.price.micros_per_kwh);
  if (session.amount_micros != fact.amount_micros) {
    RaiseAlert(
        now, AlertKind::kAmountDiffers, session.cp, session.id,
        absl::StrCat("the charging point shows ", fact.amount_micros, " micros, the bill is ", session.amount_micros));
  }
  if (IsBeyondTarget(session)) {
    RaiseAlert(now, AlertKind::kAmountDiffers, session.cp, session.id,
               absl::StrCat("the final energy ", session.energy_mwh, " mWh is beyond the target of the charge"));
  }
  CompareRegisters(now, session);
  if (recovered) {
    RaiseAlert(now, AlertKind::kRecovered, session.cp, session.id,
               absl::StrCat("booked although the session was ", Name(session.state)));
  }
  Move(now, row, SessionState::kCompleted);
  IssueTicket(now, row, /*estimated=*/false, recovered);
  ++counters_.facts_applied;
  Touch(row);
  return true;
}

// Booked all the same: the final energy is the charging point's last word, but someone should look at its meter.
void Shard::CompareRegisters(const Moment& now, const Session& session) {
  if (!session.start_booked || !session.final_booked) return;
  const std::int64_t metered = session.register_end_mwh - session.register_start_mwh;
  if (metered == session.energy_mwh) return;
  RaiseAlert(now, AlertKind::kAmountDiffers, session.cp, session.id,
             absl::StrCat("the meter went from ", session.register_start_mwh, " to ", session.register_end_mwh,
                          " mWh, the final energy is ", session.energy_mwh, " mWh"));
}

void Shard::IssueTicket(const Moment& now, SessionRow& row, bool estimated, bool recovered) {
  const Session& s = row.session;
  Ticket ticket{
      .id = s.id.value(),
      .session = s.id,
      .kind = TicketKind::kFinal,
      .cp = s.cp,
      .driver = s.driver,
      .number = s.number,
      .price = s.price,
      .energy_mwh = s.energy_mwh,
      .amount_micros = s.amount_micros,
      .start = s.start,
      .end = s.end,
      .issued = now.utc,
      .end_reason = s.end_reason,
      .estimated = estimated,
      .recovered = recovered,
      .adjusts_ticket = {},
  };
  ++version_;
  tickets_.push_back(ticket);
  fresh_tickets_.push_back(std::move(ticket));
}

void Shard::Refuse(const Moment& now, const FactBatch& batch, const IncomingFact& in, const std::string& reason,
                   const std::string& detail, Effects& out) {
  const Fact& fact = *in.fact;
  const bool is_sample = fact.kind == FactKind::kSample;
  const bool is_final = fact.kind == FactKind::kFinal;
  PutAside(now, batch, in, reason, detail, out);
  if (is_sample || fact.session.empty()) return;
  if (const SessionRow* row = FindRow(fact.session); row != nullptr && row->session.cp != fact.cp) {
    // Another charging point's session. Answered once for each time it comes, not kept: the record would answer the
    // session's own charging point, too.
    if (const Point* point = FindPoint(fact.cp); point != nullptr && point->link.open) {
      out.push_back(LinkMessage{fact.cp, point->link.epoch,
                                Settlement{fact.session, !is_final, is_final, true, reason, fact.message_id}});
    }
    return;
  }
  // The newest is enough, and all that may be kept: whoever sends nonsense has ids without number. A charging point
  // that has not heard of its own fact's refusal sends the fact again.
  const auto known = refusals_.find(fact.session);
  const bool is_repeat =
      known != refusals_.end() &&
      std::any_of(known->second.records.begin(), known->second.records.end(), [&](const auto& refusal) {
        return refusal.final == is_final && refusal.message_id == fact.message_id;
      });
  if (!is_repeat) Remember(store::RefusalRecord{fact.session, is_final, reason, now.utc, fact.message_id}, true);
  Settle(fact, out);
}

void Shard::PutAside(const Moment& now, const FactBatch& batch, const IncomingFact& in, const std::string& reason,
                     const std::string& detail, Effects& out) {
  ++version_;
  const SessionId session = in.fact != nullptr ? in.fact->session : SessionId();
  Trace trace = TraceOf(session);
  if (trace.empty() && in.fact != nullptr) trace = in.fact->grant.trace;
  if (config_.kafka_enabled) {
    outbox_.push_back(DeadLetter{std::string(batch.topic),
                                 batch.partition,
                                 in.offset,
                                 std::string(in.key),
                                 std::string(in.body),
                                 reason,
                                 detail,
                                 now.utc,
                                 in.written,
                                 {in.headers.begin(), in.headers.end()},
                                 trace});
  }
  out.push_back(DeadLettered{std::string(batch.topic), batch.partition, in.offset, reason, detail, session, trace});
}

void Shard::Settle(const Fact& fact, Effects& out) const {
  if (fact.kind == FactKind::kSample) return;
  Settle(fact.cp, fact.session, fact.kind == FactKind::kStart, fact.kind == FactKind::kFinal, out);
}

void Shard::Settle(const CpId& cp, const SessionId& id, bool start, bool final, Effects& out) const {
  const auto point = points_.find(cp);
  if (point == points_.end() || !point->second->link.open) return;
  const auto send = [&](Settlement settlement) {
    out.push_back(LinkMessage{cp, point->second->link.epoch, std::move(settlement)});
  };
  if (const auto it = sessions_.find(id); it != sessions_.end()) {
    const Session& session = it->second->session;
    if (session.cp != cp) return;
    const bool start_booked = start && session.start_booked;
    const bool final_booked = final && session.final_booked;
    if (start_booked || final_booked) send({id, start_booked, final_booked, false, {}, {}});
    start &= !start_booked;
    final &= !final_booked;
  }
  if (const auto it = refusals_.find(id); it != refusals_.end()) {
    for (const store::RefusalRecord& refusal : it->second.records) {
      if (!(refusal.final ? final : start)) continue;
      send({id, !refusal.final, refusal.final, true, refusal.reason, refusal.message_id});
    }
  }
}

void Shard::OnGap(const Moment& now, const store::GapRecord& gap, std::int64_t resume, Effects& out) {
  auto [it, is_first] =
      offsets_.try_emplace({gap.topic, gap.partition}, store::OffsetAdvance{gap.topic, gap.partition, 0, 0});
  it->second.next = resume;
  gaps_.push_back(gap);
  ++version_;
  const std::string there = gap.log_end == store::kAnotherLog
                                ? "of another Kafka cluster"
                                : absl::StrCat("the log holds ", gap.log_start, " .. ", gap.log_end);
  RaiseAlert(now, AlertKind::kGap, CpId(), SessionId(),
             absl::StrCat(gap.topic, "/", gap.partition, ": next to read was ", gap.stored_next, ", ", there,
                          "; reading goes on at ", resume));
  Announce(now, out);
}

void Shard::OnUnknownCluster(const Moment& now, absl::string_view cluster_id, absl::string_view known, Effects& out) {
  RaiseAlert(now, AlertKind::kClusterUnknown, CpId(), SessionId(),
             absl::StrCat("Kafka cluster ", cluster_id, " answers, the known one is ", known,
                          ": nothing is read until an operator accepts it (AcceptCluster)"));
  Announce(now, out);
}

}  // namespace ev::central
