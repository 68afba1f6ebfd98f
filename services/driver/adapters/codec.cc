#include "services/driver/adapters/codec.h"

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "wire/common_codec.h"

namespace ev::driver {
namespace {

namespace central_pb = evcharging::central::v1;
namespace common_pb = evcharging::common::v1;
namespace driver_pb = evcharging::driver::v1;

constexpr absl::string_view kReasonPrefix = "DENIAL_REASON_";

// What cannot be a time is shown as none.
absl::Time TimeFrom(bool is_set, const google::protobuf::Timestamp& proto) {
  return is_set ? wire::FromProto(proto).value_or(absl::InfinitePast()) : absl::InfinitePast();
}

// Does nothing for a time that did not happen.
template <typename Message>
void SetTime(absl::Time time, Message& message, google::protobuf::Timestamp* (Message::*field)()) {
  if (time != absl::InfinitePast()) *(message.*field)() = wire::ToProto(time);
}

// Our numbers are the wire's. A number that we do not know yet is kept: it is told as UNKNOWN.
template <typename To, typename From>
To Number(From number) {
  return static_cast<To>(number);
}

Price FromProto(const common_pb::Price& proto) {
  return {.micros_per_kwh = proto.micros_per_kwh(), .currency = proto.currency()};
}

Denial FromProto(const common_pb::Denial& proto) {
  // By name, so that a reason newer than this program is still told.
  std::string name = common_pb::DenialReason_Name(proto.reason());
  if (name.empty()) name = absl::StrCat("REASON_", static_cast<int>(proto.reason()));
  return {.reason = std::string(absl::StripPrefix(name, kReasonPrefix)), .text = proto.text()};
}

}  // namespace

absl::StatusOr<Charge> FromProto(const central_pb::Session& proto) {
  auto id = ParseSessionId(proto.session_id());
  if (!id.ok()) return id.status();
  auto cp = ParseCpId(proto.charging_point_id());
  if (!cp.ok()) return cp.status();
  auto driver = ParseDriverId(proto.driver_id());
  if (!driver.ok()) return driver.status();
  if (proto.state() == common_pb::SESSION_STATE_UNSPECIFIED) {
    return absl::InvalidArgumentError(absl::StrCat("session ", proto.session_id(), " has no state"));
  }
  Charge charge;
  charge.id = *std::move(id);
  charge.cp = *std::move(cp);
  charge.driver = *std::move(driver);
  charge.number = GrantNumber(proto.grant_number());
  charge.state = Number<SessionState>(proto.state());
  charge.price = FromProto(proto.price());
  // Central has checked it; what we do not know is shown as none.
  charge.target = wire::FromProto(proto.target()).value_or(Target());
  charge.energy_mwh = proto.energy_mwh();
  charge.power_w = proto.power_w();
  charge.amount_micros = proto.amount_micros();
  charge.manual = proto.requested_at_point();
  charge.requested = TimeFrom(proto.has_request_time(), proto.request_time());
  charge.start = TimeFrom(proto.has_start_time(), proto.start_time());
  charge.end = TimeFrom(proto.has_end_time(), proto.end_time());
  charge.last_sample = TimeFrom(proto.has_last_sample_time(), proto.last_sample_time());
  charge.end_reason = Number<EndReason>(proto.end_reason());
  if (proto.has_denial()) charge.denial = FromProto(proto.denial());
  if (proto.has_ticket()) charge.ticket = FromProto(proto.ticket());
  if (proto.has_adjustment()) charge.adjustment = FromProto(proto.adjustment());
  charge.notice = proto.notice();
  charge.revision = {.incarnation = proto.revision().incarnation(), .counter = proto.revision().counter()};
  charge.trace = TraceOfId(proto.trace_id());
  return charge;
}

absl::StatusOr<std::optional<Charge>> FromProto(const evcharging::events::v1::StatusUpdate& proto) {
  if (proto.session_id().empty() && proto.state() == common_pb::SESSION_STATE_DENIED) return std::nullopt;
  central_pb::Session session;
  session.set_session_id(proto.session_id());
  session.set_charging_point_id(proto.charging_point_id());
  session.set_driver_id(proto.driver_id());
  session.set_state(proto.state());
  *session.mutable_price() = proto.price();
  session.set_energy_mwh(proto.energy_mwh());
  session.set_power_w(proto.power_w());
  session.set_amount_micros(proto.amount_micros());
  if (proto.has_event_time()) *session.mutable_last_sample_time() = proto.event_time();
  if (proto.has_denial()) *session.mutable_denial() = proto.denial();
  const bool is_adjustment = proto.has_ticket() && proto.ticket().kind() == common_pb::TICKET_KIND_ADJUSTMENT;
  if (proto.has_ticket()) {
    (is_adjustment ? *session.mutable_adjustment() : *session.mutable_ticket()) = proto.ticket();
    session.set_end_reason(proto.ticket().end_reason());
  }
  session.set_notice(proto.notice());
  *session.mutable_revision() = proto.revision();
  return FromProto(session);
}

central_pb::Session ToProto(const Charge& charge) {
  central_pb::Session proto;
  proto.set_session_id(charge.id.value());
  proto.set_charging_point_id(charge.cp.value());
  proto.set_driver_id(charge.driver.value());
  proto.set_grant_number(charge.number.value());
  proto.set_state(Number<common_pb::SessionState>(charge.state));
  *proto.mutable_price() = wire::ToProto(charge.price);
  if (!std::holds_alternative<std::monostate>(charge.target)) *proto.mutable_target() = wire::ToProto(charge.target);
  proto.set_energy_mwh(charge.energy_mwh);
  proto.set_power_w(static_cast<std::int32_t>(charge.power_w));
  proto.set_amount_micros(charge.amount_micros);
  proto.set_requested_at_point(charge.manual);
  SetTime(charge.requested, proto, &central_pb::Session::mutable_request_time);
  SetTime(charge.start, proto, &central_pb::Session::mutable_start_time);
  SetTime(charge.end, proto, &central_pb::Session::mutable_end_time);
  SetTime(charge.last_sample, proto, &central_pb::Session::mutable_last_sample_time);
  proto.set_end_reason(Number<common_pb::EndReason>(charge.end_reason));
  if (charge.denial) *proto.mutable_denial() = ToProto(*charge.denial);
  if (charge.ticket) *proto.mutable_ticket() = wire::ToProto(*charge.ticket);
  if (charge.adjustment) *proto.mutable_adjustment() = wire::ToProto(*charge.adjustment);
  proto.set_notice(charge.notice);
  proto.mutable_revision()->set_incarnation(charge.revision.incarnation);
  proto.mutable_revision()->set_counter(charge.revision.counter);
  proto.set_trace_id(TraceIdText(charge.trace));
  return proto;
}

Ticket FromProto(const common_pb::Ticket& proto) {
  Ticket ticket;
  ticket.id = proto.ticket_id();
  ticket.session = SessionId(proto.session_id());
  ticket.kind = Number<TicketKind>(proto.kind());
  ticket.driver = DriverId(proto.driver_id());
  ticket.cp = CpId(proto.charging_point_id());
  ticket.energy_mwh = proto.energy_mwh();
  ticket.amount_micros = proto.amount_micros();
  ticket.price = FromProto(proto.price());
  ticket.start = TimeFrom(proto.has_start_time(), proto.start_time());
  ticket.end = TimeFrom(proto.has_end_time(), proto.end_time());
  ticket.issued = TimeFrom(proto.has_create_time(), proto.create_time());
  ticket.end_reason = Number<EndReason>(proto.end_reason());
  ticket.estimated = proto.estimated();
  ticket.recovered = proto.recovered();
  ticket.adjusts_ticket = proto.adjusts_ticket_id();
  return ticket;
}

common_pb::Denial ToProto(const Denial& denial) {
  common_pb::Denial proto;
  common_pb::DenialReason reason = common_pb::DENIAL_REASON_UNSPECIFIED;
  if (common_pb::DenialReason_Parse(absl::StrCat(kReasonPrefix, denial.reason), &reason)) proto.set_reason(reason);
  proto.set_text(denial.text);
  return proto;
}

driver_pb::RunProgress ToProto(const ListProgress& progress) {
  driver_pb::RunProgress proto;
  proto.set_index(progress.index);
  proto.set_total(progress.total);
  proto.set_charging_point_id(progress.cp.value());
  proto.set_completed_count(progress.completed);
  proto.set_denied_count(progress.denied);
  proto.set_failed_count(progress.failed);
  return proto;
}

std::optional<driver_pb::RunRequestsResponse> ToProto(const ListStep& step) {
  if (std::holds_alternative<ListBegun>(step.step)) return std::nullopt;
  driver_pb::RunRequestsResponse proto;
  *proto.mutable_progress() = ToProto(step.progress);
  if (const auto* charge = std::get_if<Charge>(&step.step)) {
    *proto.mutable_session() = ToProto(*charge);
  } else if (const auto* finished = std::get_if<ListFinished>(&step.step)) {
    proto.mutable_finished()->set_cancelled(finished->cancelled);
  } else {
    const auto& conclusion = std::get<Conclusion>(step.step);
    driver_pb::RunConclusion& out = *proto.mutable_conclusion();
    if (const auto* ticket = std::get_if<Ticket>(&conclusion)) {
      *out.mutable_ticket() = wire::ToProto(*ticket);
    } else if (const auto* denial = std::get_if<Denial>(&conclusion)) {
      *out.mutable_denial() = ToProto(*denial);
    } else {
      out.set_failure(std::get<std::string>(conclusion));
    }
  }
  return proto;
}

driver_pb::DriverEvent ToProto(const Told& told) {
  driver_pb::DriverEvent proto;
  SetTime(told.time, proto, &driver_pb::DriverEvent::mutable_event_time);
  proto.set_driver_id(told.driver.value());
  if (const auto* change = std::get_if<ChargeChange>(&told.event)) {
    *proto.mutable_session() = ToProto(change->charge);
  } else if (const auto* denial = std::get_if<DenialTold>(&told.event)) {
    *proto.mutable_denial() = ToProto(denial->denial);
  } else {
    proto.set_notice(std::get<Notice>(told.event).text);
  }
  return proto;
}

}  // namespace ev::driver
