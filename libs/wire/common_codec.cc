#include "wire/common_codec.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "base/error_detail.h"
#include "base/fnv1a.h"
#include "domain/charging_point.h"

namespace ev::wire {
namespace {

// The domain's numbers are the wire's: an enum is cast on its way out, and checked on its way in.
static_assert(static_cast<int>(PointState::kAvailable) == pb::CHARGING_POINT_STATE_AVAILABLE);
static_assert(static_cast<int>(PointState::kDisconnected) == pb::CHARGING_POINT_STATE_DISCONNECTED);
static_assert(kPointStates == pb::ChargingPointState_MAX);
static_assert(static_cast<int>(SessionState::kRequested) == pb::SESSION_STATE_REQUESTED);
static_assert(static_cast<int>(SessionState::kAwaitingFinal) == pb::SESSION_STATE_AWAITING_FINAL);
static_assert(static_cast<int>(SessionState::kExpired) == pb::SESSION_STATE_EXPIRED);
static_assert(kSessionStates == pb::SessionState_MAX);
static_assert(static_cast<int>(EndReason::kUnplugged) == pb::END_REASON_UNPLUGGED);
static_assert(static_cast<int>(EndReason::kOperatorStop) == pb::END_REASON_OPERATOR_STOP);
static_assert(static_cast<int>(EndReason::kJournalFull) == pb::END_REASON_JOURNAL_FULL);
static_assert(static_cast<int>(DenialReason::kPointUnknown) == pb::DENIAL_REASON_POINT_UNKNOWN);
static_assert(static_cast<int>(DenialReason::kMonitorMissing) == pb::DENIAL_REASON_MONITOR_MISSING);
static_assert(static_cast<int>(DenialReason::kOverloaded) == pb::DENIAL_REASON_OVERLOADED);
static_assert(static_cast<int>(EngineHealth::kUnknown) == pb::ENGINE_HEALTH_UNKNOWN);
static_assert(static_cast<int>(EngineHealth::kSilent) == pb::ENGINE_HEALTH_SILENT);
static_assert(static_cast<int>(Cause::kOperator) == pb::OUT_OF_SERVICE_CAUSE_OPERATOR);
static_assert(static_cast<int>(Cause::kCredentials) == pb::OUT_OF_SERVICE_CAUSE_CREDENTIALS);
static_assert(static_cast<int>(Phase::kCharging) == pb::OCCUPANCY_PHASE_CHARGING);
static_assert(static_cast<int>(TicketKind::kAdjustment) == pb::TICKET_KIND_ADJUSTMENT);

constexpr std::int64_t kNanos = 1'000'000'000;
constexpr std::int64_t kMinTimestamp = -62'135'596'800;  // 0001-01-01T00:00:00Z, as protobuf has it.
constexpr std::int64_t kMaxTimestamp = 253'402'300'799;  // 9999-12-31T23:59:59Z

// The status of a nested message, its field named from outside.
absl::Status In(const char* field, const absl::Status& status) {
  return FieldError(field, status.message());
}

std::int32_t PowerOf(std::int64_t watts) {
  return static_cast<std::int32_t>(std::clamp<std::int64_t>(watts, 0, std::numeric_limits<std::int32_t>::max()));
}

}  // namespace

absl::Status CheckCounter(const char* field, std::int64_t value, std::int64_t least) {
  if (value >= least && value <= kMaxCounter) return absl::OkStatus();
  return FieldError(field, absl::StrCat("must be ", least, " to ", kMaxCounter));
}

google::protobuf::Duration ToProto(absl::Duration duration) {
  google::protobuf::Duration out;
  absl::Duration rest;
  out.set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &rest));
  out.set_nanos(static_cast<std::int32_t>(absl::ToInt64Nanoseconds(rest)));
  return out;
}

absl::Duration FromProto(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

google::protobuf::Timestamp ToProto(absl::Time time) {
  time = std::clamp(time, absl::FromUnixSeconds(kMinTimestamp), absl::FromUnixSeconds(kMaxTimestamp));
  google::protobuf::Timestamp out;
  out.set_seconds(absl::ToUnixSeconds(time));  // Rounds down.
  out.set_nanos(static_cast<std::int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(out.seconds()))));
  return out;
}

absl::StatusOr<absl::Time> FromProto(const google::protobuf::Timestamp& time) {
  if (time.seconds() < kMinTimestamp || time.seconds() > kMaxTimestamp || time.nanos() < 0 || time.nanos() >= kNanos) {
    return absl::InvalidArgumentError("not a valid time");
  }
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

pb::EngineHealth ToProto(EngineHealth health) {
  switch (health) {
    case EngineHealth::kUnknown:
      return pb::ENGINE_HEALTH_UNKNOWN;
    case EngineHealth::kHealthy:
      return pb::ENGINE_HEALTH_HEALTHY;
    case EngineHealth::kFaulted:
      return pb::ENGINE_HEALTH_FAULTED;
    case EngineHealth::kSilent:
      return pb::ENGINE_HEALTH_SILENT;
  }
  return pb::ENGINE_HEALTH_UNSPECIFIED;
}

EngineHealth FromProto(pb::EngineHealth health) {
  switch (health) {
    case pb::ENGINE_HEALTH_HEALTHY:
      return EngineHealth::kHealthy;
    case pb::ENGINE_HEALTH_FAULTED:
      return EngineHealth::kFaulted;
    case pb::ENGINE_HEALTH_SILENT:
      return EngineHealth::kSilent;
    default:
      return EngineHealth::kUnknown;
  }
}

pb::Price ToProto(const Price& price) {
  pb::Price out;
  out.set_micros_per_kwh(price.micros_per_kwh);
  out.set_currency(price.currency);
  return out;
}

pb::Target ToProto(const Target& target) {
  pb::Target out;
  if (const auto* energy = std::get_if<EnergyTarget>(&target)) out.set_energy_mwh(energy->energy_mwh);
  if (const auto* amount = std::get_if<AmountTarget>(&target)) out.set_amount_micros(amount->amount_micros);
  if (const auto* time = std::get_if<DurationTarget>(&target)) *out.mutable_duration() = ToProto(time->duration);
  return out;
}

absl::StatusOr<Target> FromProto(const pb::Target& target) {
  Target out;
  switch (target.limit_case()) {
    case pb::Target::kEnergyMwh:
      out = EnergyTarget{target.energy_mwh()};
      break;
    case pb::Target::kAmountMicros:
      out = AmountTarget{target.amount_micros()};
      break;
    case pb::Target::kDuration:
      out = DurationTarget{FromProto(target.duration())};
      break;
    case pb::Target::LIMIT_NOT_SET:
      break;
  }
  if (auto status = CheckTarget(out); !status.ok()) return In("target", status);
  return out;
}

pb::Grant ToProto(const Grant& grant) {
  pb::Grant out;
  out.set_session_id(grant.session.value());
  out.set_charging_point_id(grant.cp.value());
  out.set_grant_number(grant.number.value());
  out.set_driver_id(grant.driver.value());
  *out.mutable_price() = ToProto(grant.price);
  if (!std::holds_alternative<std::monostate>(grant.target)) *out.mutable_target() = ToProto(grant.target);
  *out.mutable_authorised_time() = ToProto(grant.authorised);
  out.set_signature(grant.signature);
  out.set_key_id(grant.key_id);
  out.set_traceparent(Traceparent(grant.trace, grant.session.value()));
  return out;
}

absl::StatusOr<Grant> FromProto(const pb::Grant& grant) {
  auto session = ParseSessionId(grant.session_id());
  if (!session.ok()) return In("grant.session_id", session.status());
  auto cp = ParseCpId(grant.charging_point_id());
  if (!cp.ok()) return In("grant.charging_point_id", cp.status());
  auto driver = ParseDriverId(grant.driver_id());
  if (!driver.ok()) return In("grant.driver_id", driver.status());
  if (auto status = CheckCounter("grant.grant_number", grant.grant_number(), 1); !status.ok()) return status;
  const Price price{.micros_per_kwh = grant.price().micros_per_kwh(), .currency = grant.price().currency()};
  if (auto status = CheckPrice(price); !status.ok()) return In("grant.price", status);
  auto target = FromProto(grant.target());
  if (!target.ok()) return target.status();
  auto authorised = FromProto(grant.authorised_time());
  if (!authorised.ok()) return In("grant.authorised_time", authorised.status());
  return Grant{.session = *std::move(session),
               .cp = *std::move(cp),
               .number = GrantNumber(grant.grant_number()),
               .driver = *std::move(driver),
               .price = price,
               .target = *target,
               .authorised = *authorised,
               .key_id = grant.key_id(),
               .signature = grant.signature(),
               .trace = ParseTraceparent(grant.traceparent())};
}

pb::Ticket ToProto(const Ticket& ticket) {
  pb::Ticket out;
  out.set_ticket_id(ticket.id);
  out.set_session_id(ticket.session.value());
  out.set_kind(static_cast<pb::TicketKind>(ticket.kind));  // The domain's numbers are the wire's.
  out.set_driver_id(ticket.driver.value());
  out.set_charging_point_id(ticket.cp.value());
  out.set_energy_mwh(ticket.energy_mwh);
  out.set_amount_micros(ticket.amount_micros);
  *out.mutable_price() = ToProto(ticket.price);
  if (ticket.start != absl::InfinitePast()) *out.mutable_start_time() = ToProto(ticket.start);
  if (ticket.end != absl::InfinitePast()) *out.mutable_end_time() = ToProto(ticket.end);
  if (ticket.issued != absl::InfinitePast()) *out.mutable_create_time() = ToProto(ticket.issued);
  out.set_end_reason(static_cast<pb::EndReason>(ticket.end_reason));
  out.set_estimated(ticket.estimated);
  out.set_recovered(ticket.recovered);
  out.set_adjusts_ticket_id(ticket.adjusts_ticket);
  return out;
}

pb::Denial ToDenial(DenialReason reason, const std::string& text) {
  pb::Denial out;
  out.set_reason(static_cast<pb::DenialReason>(reason));
  out.set_text(text);
  return out;
}

DenialReason FromProto(pb::DenialReason reason) {
  // The domain's numbers are the wire's. A newer program's reason that this one has no word for: its text says the
  // rest.
  constexpr int kLast = static_cast<int>(DenialReason::kInvalidField);
  return reason >= 0 && reason <= kLast ? static_cast<DenialReason>(reason) : DenialReason::kPointNotReady;
}

pb::Configuration ToProto(const Configuration& configuration) {
  pb::Configuration out;
  out.set_link_epoch(configuration.epoch.value());
  *out.mutable_price() = ToProto(configuration.price);
  for (const OutOfService& cause : configuration.causes) {
    out.add_causes(static_cast<pb::OutOfServiceCause>(cause.cause));
  }
  out.set_highest_grant_number(configuration.highest_grant.value());
  return out;
}

absl::StatusOr<Configuration> FromProto(const pb::Configuration& configuration) {
  Configuration out;
  if (auto status = CheckCounter("configuration.link_epoch", configuration.link_epoch(), 1); !status.ok())
    return status;
  if (auto status = CheckCounter("configuration.highest_grant_number", configuration.highest_grant_number(), 0);
      !status.ok()) {
    return status;
  }
  out.epoch = LinkEpoch(configuration.link_epoch());
  out.price = {.micros_per_kwh = configuration.price().micros_per_kwh(), .currency = configuration.price().currency()};
  if (auto status = CheckPrice(out.price); !status.ok()) return In("configuration.price", status);
  for (const int cause : configuration.causes()) {
    // One that this program does not know yet keeps the point out of service as well as any other.
    out.causes.push_back({.cause = static_cast<Cause>(cause), .who = {}, .reason = {}, .since = {}});
  }
  out.highest_grant = GrantNumber(configuration.highest_grant_number());
  return out;
}

pb::Settlement ToProto(const Settlement& settlement) {
  pb::Settlement out;
  out.set_session_id(settlement.session.value());
  out.set_settles_start(settlement.start);
  out.set_settles_final(settlement.final);
  out.set_verdict(settlement.refused ? pb::SETTLEMENT_VERDICT_REFUSED : pb::SETTLEMENT_VERDICT_BOOKED);
  out.set_reason(settlement.reason);
  if (settlement.refused) {
    const auto& bytes = settlement.message_id.bytes;
    out.mutable_message_id()->assign(bytes.begin(), bytes.end());
  }
  return out;
}

absl::StatusOr<Settlement> FromProto(const pb::Settlement& settlement) {
  // What is not clearly an end must not free anything.
  if (settlement.verdict() != pb::SETTLEMENT_VERDICT_BOOKED && settlement.verdict() != pb::SETTLEMENT_VERDICT_REFUSED) {
    return FieldError("settlement.verdict", absl::StrCat(settlement.verdict(), " is unknown"));
  }
  Settlement out{.session = SessionId(settlement.session_id()),
                 .start = settlement.settles_start(),
                 .final = settlement.settles_final(),
                 .refused = settlement.verdict() == pb::SETTLEMENT_VERDICT_REFUSED,
                 .reason = settlement.reason()};
  if (!out.refused) return out;
  if (settlement.message_id().size() != out.message_id.bytes.size()) {
    return FieldError("settlement.message_id",
                      absl::StrCat("must have ", out.message_id.bytes.size(), " bytes when something is refused"));
  }
  std::copy(settlement.message_id().begin(), settlement.message_id().end(), out.message_id.bytes.begin());
  return out;
}

pb::SessionRequest ToProto(const PointRequest& request) {
  pb::SessionRequest out;
  out.set_request_id(request.request_id);
  out.set_driver_id(request.driver.value());
  if (!std::holds_alternative<std::monostate>(request.target)) *out.mutable_target() = ToProto(request.target);
  *out.mutable_waited() = ToProto(request.waited);
  // Whichever hop says it, the operation is this request.
  out.set_traceparent(Traceparent(request.trace, absl::StrCat(absl::Hex(Fnv1a(request.request_id), absl::kZeroPad16))));
  return out;
}

absl::StatusOr<PointRequest> FromProto(const pb::SessionRequest& request) {
  auto driver = ParseDriverId(request.driver_id());
  if (!driver.ok()) return In("driver_id", driver.status());
  auto target = FromProto(request.target());
  if (!target.ok()) return target.status();
  return PointRequest{.request_id = request.request_id(),
                      .driver = *std::move(driver),
                      .target = *target,
                      .waited = std::max(FromProto(request.waited()), absl::ZeroDuration()),
                      .trace = ParseTraceparent(request.traceparent())};
}

pb::SessionRequestAnswer ToProto(const PointRequestAnswer& answer) {
  pb::SessionRequestAnswer out;
  out.set_request_id(answer.request_id);
  if (answer.session) {
    out.set_session_id(answer.session->value());
  } else {
    *out.mutable_denial() = ToDenial(answer.denial, answer.text);
  }
  return out;
}

absl::StatusOr<PointRequestAnswer> FromProto(const pb::SessionRequestAnswer& answer) {
  PointRequestAnswer out;
  out.request_id = answer.request_id();
  switch (answer.answer_case()) {
    case pb::SessionRequestAnswer::kSessionId:
      out.session = SessionId(answer.session_id());
      return out;
    case pb::SessionRequestAnswer::kDenial:
      out.denial = FromProto(answer.denial().reason());
      out.text = answer.denial().text();
      return out;
    case pb::SessionRequestAnswer::ANSWER_NOT_SET:
      break;
  }
  return FieldError("session_request_answer.answer", "is missing");
}

pb::EngineReport ToProto(const EngineReport& report) {
  pb::EngineReport out;
  out.set_health(ToProto(report.health));
  out.set_fault(report.fault);
  out.set_journal_id(report.journal_id);
  out.set_journal_room_facts(report.journal_room);
  out.set_journal_full(report.journal_full);
  if (report.occupation) {
    pb::Occupancy& occupancy = *out.mutable_occupancy();
    occupancy.set_session_id(report.occupation->session.value());
    occupancy.set_grant_number(report.occupation->number.value());
    occupancy.set_phase(static_cast<pb::OccupancyPhase>(report.occupation->phase));
    occupancy.set_energy_mwh(report.occupation->energy_mwh);
    occupancy.set_power_w(PowerOf(report.occupation->power_w));
    occupancy.set_amount_micros(report.occupation->amount_micros);
    occupancy.set_waiting_for(report.occupation->waiting_for);
  }
  out.set_grant_mark(report.mark.value());
  out.set_configured_link_epoch(report.configured_epoch.value());
  for (const Unsettled& unsettled : report.unsettled) {
    pb::UnsettledSession& session = *out.add_unsettled();
    session.set_session_id(unsettled.session.value());
    session.set_grant_number(unsettled.number.value());
    session.set_start_unsettled(unsettled.start);
    session.set_final_unsettled(unsettled.final);
  }
  out.set_unsettled_total(static_cast<std::int32_t>(
      std::min<std::int64_t>(report.unsettled_total, std::numeric_limits<std::int32_t>::max())));
  out.set_kafka_fault(report.kafka_fault);
  return out;
}

absl::StatusOr<EngineReport> FromProto(const pb::EngineReport& report) {
  EngineReport out;
  out.health = FromProto(report.health());
  out.fault = report.fault();
  out.configured_epoch = LinkEpoch(report.configured_link_epoch());
  out.mark = GrantNumber(report.grant_mark());
  out.journal_id = report.journal_id();
  out.journal_room = report.journal_room_facts();
  out.journal_full = report.journal_full();
  if (report.has_occupancy()) {
    const pb::Occupancy& occupancy = report.occupancy();
    if (occupancy.phase() != pb::OCCUPANCY_PHASE_GRANTED && occupancy.phase() != pb::OCCUPANCY_PHASE_CHARGING) {
      return FieldError("report.occupancy.phase", absl::StrCat(occupancy.phase(), " is unknown"));
    }
    out.occupation = Occupation{.session = SessionId(occupancy.session_id()),
                                .number = GrantNumber(occupancy.grant_number()),
                                .phase = static_cast<Phase>(occupancy.phase()),
                                .energy_mwh = occupancy.energy_mwh(),
                                .power_w = occupancy.power_w(),
                                .amount_micros = occupancy.amount_micros(),
                                .waiting_for = occupancy.waiting_for()};
  }
  for (const pb::UnsettledSession& session : report.unsettled()) {
    out.unsettled.push_back({.session = SessionId(session.session_id()),
                             .number = GrantNumber(session.grant_number()),
                             .start = session.start_unsettled(),
                             .final = session.final_unsettled()});
  }
  out.unsettled_total = report.unsettled_total();
  out.kafka_fault = report.kafka_fault();
  return out;
}

}  // namespace ev::wire
