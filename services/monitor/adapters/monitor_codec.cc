#include "services/monitor/adapters/monitor_codec.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/error_detail.h"
#include "process/version.h"
#include "wire/common_codec.h"

namespace ev::monitor {
namespace {

namespace central = evcharging::central::v1;
namespace common = evcharging::common::v1;
namespace engine = evcharging::engine::v1;
namespace monitor = evcharging::monitor::v1;

constexpr absl::Duration kDefaultDeadline = absl::Seconds(3);
constexpr absl::Duration kMaxDeadline = absl::Minutes(1);

absl::StatusOr<PrepareSession> DecodeOrder(const central::PrepareSession& order) {
  auto grant = wire::FromProto(order.grant());
  if (!grant.ok()) return grant.status();
  return PrepareSession{
      .grant = *std::move(grant),
      .plug_in_time_to_live = order.has_plug_in_time() ? wire::FromProto(order.plug_in_time()) : absl::Seconds(30)};
}

CancelGrant DecodeOrder(const central::CancelGrant& order) {
  return {.number = GrantNumber(order.grant_number()),
          .session = SessionId(order.session_id()),
          .trace = ParseTraceparent(order.traceparent())};
}

StopSession DecodeOrder(const central::StopSession& order) {
  return {.session = SessionId(order.session_id()),
          .reason = static_cast<EndReason>(order.reason()),
          .trace = ParseTraceparent(order.traceparent())};
}

template <typename Request>
Request Begin(const Forward& forward) {
  Request request;
  request.set_request_id(absl::StrCat(forward.command.id.value()));
  request.set_link_epoch(forward.epoch.value());
  return request;
}

}  // namespace

absl::StatusOr<Command> Decode(const central::Command& command) {
  Command out;
  out.deadline =
      command.has_time_left() ? std::min(wire::FromProto(command.time_left()), kMaxDeadline) : kDefaultDeadline;
  switch (command.order_case()) {
    case central::Command::kPrepareSession: {
      auto order = DecodeOrder(command.prepare_session());
      if (!order.ok()) return order.status();
      out.body = *std::move(order);
      return out;
    }
    case central::Command::kCancelGrant:
      out.body = DecodeOrder(command.cancel_grant());
      return out;
    case central::Command::kStopSession:
      out.body = DecodeOrder(command.stop_session());
      return out;
    case central::Command::ORDER_NOT_SET:
      break;
  }
  return FieldError("command.order", "is missing, or unknown to this Monitor");
}

engine::PrepareSessionRequest Encode(const PrepareSession& command, const Forward& forward) {
  auto request = Begin<engine::PrepareSessionRequest>(forward);
  *request.mutable_grant() = wire::ToProto(command.grant);
  *request.mutable_plug_in_time() = wire::ToProto(command.plug_in_time_to_live);
  return request;
}

engine::CancelGrantRequest Encode(const CancelGrant& command, const Forward& forward) {
  auto request = Begin<engine::CancelGrantRequest>(forward);
  request.set_grant_number(command.number.value());
  request.set_session_id(command.session.value());
  return request;
}

engine::StopSessionRequest Encode(const StopSession& command, const Forward& forward) {
  auto request = Begin<engine::StopSessionRequest>(forward);
  request.set_session_id(command.session.value());
  request.set_reason(static_cast<common::EndReason>(command.reason));
  return request;
}

Answered Decode(const common::PrepareSessionResult& result) {
  Answered out;
  *out.message.mutable_prepared() = result;
  out.answer.verdict = result.has_denial() ? Verdict::kDenied : Verdict::kGranted;
  out.answer.denial = wire::FromProto(result.denial().reason());
  out.answer.text = result.denial().text();
  out.answer.mark = GrantNumber(result.grant_mark());
  return out;
}

Answered Decode(const common::CancelGrantResult& result) {
  Answered out;
  *out.message.mutable_cancelled() = result;
  switch (result.fate()) {
    case common::GRANT_FATE_CHARGING:
      out.answer.verdict = Verdict::kRunning;
      break;
    case common::GRANT_FATE_ENDED:
      out.answer.verdict = Verdict::kEnded;
      break;
    default:
      out.answer.verdict = Verdict::kCancelled;
  }
  out.answer.mark = GrantNumber(result.grant_mark());
  return out;
}

Answered Decode(const common::StopSessionResult& result) {
  Answered out;
  *out.message.mutable_stopped() = result;
  switch (result.fate()) {
    case common::STOP_FATE_STOPPED:
      out.answer.verdict = Verdict::kStopped;
      break;
    case common::STOP_FATE_NOT_STARTED:
      out.answer.verdict = Verdict::kCancelled;
      break;
    default:
      out.answer.verdict = result.end_reason() == common::END_REASON_UNSPECIFIED ? Verdict::kUnknown : Verdict::kEnded;
  }
  return out;
}

central::CommandAnswer EncodeUndelivered(const SendAnswer& send) {
  central::CommandAnswer out;
  out.mutable_undelivered()->set_cause(static_cast<central::UndeliveredCause>(send.undelivered));
  out.mutable_undelivered()->set_text(send.answer.text);
  return out;
}

engine::AttachUp Encode(const SendAttach& send, const CpId& cp) {
  engine::AttachUp out;
  out.set_charging_point_id(cp.value());
  out.set_link_epoch(send.epoch.value());
  if (send.central_age) *out.mutable_central_beat_age() = wire::ToProto(*send.central_age);
  if (send.configuration) *out.mutable_configuration() = wire::ToProto(*send.configuration);
  for (const Settlement& settlement : send.settlements) *out.add_settlements() = wire::ToProto(settlement);
  for (const PointRequestAnswer& answer : send.answers) *out.add_session_request_answers() = wire::ToProto(answer);
  out.set_monitor_version(std::string(process::Version()));
  return out;
}

monitor::MonitorStatus Encode(const MonitorStatus& status, const CpId& cp, const std::string& central_address,
                              const std::string& engine_address, const engine::EngineStatus* engine_status) {
  monitor::MonitorStatus out;
  out.set_charging_point_id(cp.value());
  out.set_version(std::string(process::Version()));
  monitor::LinkStatus& link = *out.mutable_link();
  link.set_state(static_cast<monitor::LinkState>(status.link));
  link.set_central_address(central_address);
  link.set_link_epoch(status.epoch.value());
  if (status.central_age) *link.mutable_central_beat_age() = wire::ToProto(*status.central_age);
  *link.mutable_change_time() = wire::ToProto(status.link_changed);
  link.set_error(status.link_error);
  out.set_engine_address(engine_address);
  out.set_engine_health(wire::ToProto(status.health));
  out.set_engine_fault(status.engine_fault);
  if (status.engine_age) *out.mutable_engine_age() = wire::ToProto(*status.engine_age);
  if (engine_status != nullptr) *out.mutable_engine_status() = *engine_status;
  monitor::ForwardedCounts& forwarded = *out.mutable_forwarded();
  forwarded.set_beats(status.forwarded.beats);
  forwarded.set_commands(status.forwarded.commands);
  forwarded.set_commands_undelivered(status.forwarded.commands_undelivered);
  forwarded.set_configurations(status.forwarded.configurations);
  forwarded.set_settlements(status.forwarded.settlements);
  forwarded.set_session_requests(status.forwarded.requests);
  return out;
}

}  // namespace ev::monitor
