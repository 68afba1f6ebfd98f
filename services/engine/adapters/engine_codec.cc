#include "services/engine/adapters/engine_codec.h"

#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error_detail.h"
#include "domain/ids.h"
#include "process/version.h"
#include "wire/common_codec.h"

namespace ev::engine {
namespace {

namespace common = evcharging::common::v1;

constexpr absl::Duration kMaxPlugInTime = absl::Hours(24);
constexpr std::size_t kMaxVersion = 128;
// Far more than a beat lists: what one message may cost has an end.
constexpr int kMaxListed = 1000;

absl::Status Named(const char* field, const absl::Status& status) {
  return FieldError(field, status.message());
}

absl::StatusOr<LinkEpoch> Epoch(std::int64_t value) {
  if (auto status = wire::CheckCounter("link_epoch", value, 0); !status.ok()) return status;
  return LinkEpoch(value);
}

}  // namespace

absl::StatusOr<MonitorMessage> Decode(const pb::AttachUp& message) {
  MonitorMessage out;
  auto cp = ParseCpId(message.charging_point_id());
  if (!cp.ok()) return Named("charging_point_id", cp.status());
  out.beat.cp = *std::move(cp);
  if (message.monitor_version().size() > kMaxVersion) {
    return FieldError("monitor_version", absl::StrCat("at most ", kMaxVersion, " bytes"));
  }
  auto epoch = Epoch(message.link_epoch());
  if (!epoch.ok()) return epoch.status();
  out.beat.epoch = *epoch;
  if (message.has_central_beat_age()) out.beat.central_age = wire::FromProto(message.central_beat_age());
  if (message.has_configuration()) {
    auto configuration = wire::FromProto(message.configuration());
    if (!configuration.ok()) return configuration.status();
    out.configuration = *std::move(configuration);
  }
  for (const auto& [field, size] : {std::pair{"settlements", message.settlements_size()},
                                    std::pair{"session_request_answers", message.session_request_answers_size()}}) {
    if (size > kMaxListed) return FieldError(field, absl::StrCat("at most ", kMaxListed, " in one message"));
  }
  for (const common::Settlement& settlement : message.settlements()) {
    auto decoded = wire::FromProto(settlement);
    if (!decoded.ok()) return decoded.status();
    out.settlements.push_back(*std::move(decoded));
  }
  for (const common::SessionRequestAnswer& answer : message.session_request_answers()) {
    auto decoded = wire::FromProto(answer);
    if (!decoded.ok()) return decoded.status();
    out.answers.push_back(*std::move(decoded));
  }
  return out;
}

absl::StatusOr<PrepareSession> Decode(const pb::PrepareSessionRequest& request) {
  if (auto status = CheckRequestId("request_id", request.request_id()); !status.ok()) return status;
  auto grant = wire::FromProto(request.grant());
  if (!grant.ok()) return grant.status();
  const absl::Duration time =
      request.has_plug_in_time() ? wire::FromProto(request.plug_in_time()) : kDefaultPlugInTimeToLive;
  if (time <= absl::ZeroDuration() || time > kMaxPlugInTime) {
    return FieldError("plug_in_time",
                      absl::StrCat("must be positive and at most ", absl::FormatDuration(kMaxPlugInTime)));
  }
  return PrepareSession{.grant = *std::move(grant), .plug_in_time_to_live = time};
}

absl::StatusOr<CancelGrant> Decode(const pb::CancelGrantRequest& request) {
  if (auto status = CheckRequestId("request_id", request.request_id()); !status.ok()) return status;
  if (auto status = wire::CheckCounter("grant_number", request.grant_number(), 1); !status.ok()) return status;
  CancelGrant out{.number = GrantNumber(request.grant_number()), .session = {}};
  if (!request.session_id().empty()) {
    auto session = ParseSessionId(request.session_id());
    if (!session.ok()) return Named("session_id", session.status());
    out.session = *std::move(session);
  }
  return out;
}

absl::StatusOr<StopSession> Decode(const pb::StopSessionRequest& request) {
  if (auto status = CheckRequestId("request_id", request.request_id()); !status.ok()) return status;
  auto session = ParseSessionId(request.session_id());
  if (!session.ok()) return Named("session_id", session.status());
  if (request.reason() != common::END_REASON_DRIVER_STOP && request.reason() != common::END_REASON_OPERATOR_STOP) {
    return FieldError("reason", "must be END_REASON_DRIVER_STOP or END_REASON_OPERATOR_STOP");
  }
  return StopSession{.session = *std::move(session), .reason = static_cast<EndReason>(request.reason())};
}

absl::StatusOr<PointRequest> Decode(const pb::RequestSessionRequest& request) {
  if (auto status = CheckRequestId("request_id", request.request_id()); !status.ok()) return status;
  auto driver = ParseDriverId(request.driver_id());
  if (!driver.ok()) return Named("driver_id", driver.status());
  auto target = wire::FromProto(request.target());
  if (!target.ok()) return target.status();
  return PointRequest{
      .request_id = request.request_id(), .driver = *std::move(driver), .target = *target, .waited = {}, .trace = {}};
}

common::PrepareSessionResult EncodePrepared(const CommandAnswer& answer) {
  common::PrepareSessionResult out;
  if (answer.verdict != Verdict::kGranted) *out.mutable_denial() = wire::ToDenial(answer.denial, answer.text);
  out.set_grant_mark(answer.mark.value());
  return out;
}

common::CancelGrantResult EncodeCancelled(const CommandAnswer& answer, GrantNumber mark_before, bool was_released) {
  common::CancelGrantResult out;
  out.set_grant_mark(answer.mark.value());
  switch (answer.verdict) {
    case Verdict::kRunning:
      out.set_fate(common::GRANT_FATE_CHARGING);
      break;
    case Verdict::kEnded:
      out.set_fate(common::GRANT_FATE_ENDED);
      break;
    default:
      out.set_fate(was_released                ? common::GRANT_FATE_RELEASED
                   : answer.mark > mark_before ? common::GRANT_FATE_NEVER_SEEN
                                               : common::GRANT_FATE_FORGOTTEN);
  }
  return out;
}

common::StopSessionResult EncodeStopped(const CommandAnswer& answer) {
  common::StopSessionResult out;
  switch (answer.verdict) {
    case Verdict::kStopped:
      out.set_fate(common::STOP_FATE_STOPPED);
      break;
    case Verdict::kCancelled:
      out.set_fate(common::STOP_FATE_NOT_STARTED);
      break;
    default:
      out.set_fate(common::STOP_FATE_NOT_RUNNING);
  }
  // It tells a charge that had ended from a session that is not known here.
  out.set_end_reason(static_cast<common::EndReason>(answer.end_reason));
  return out;
}

pb::EngineStatus Encode(const Status& status, const std::string& kafka_fault) {
  pb::EngineStatus out;
  out.set_charging_point_id(status.cp.value());
  common::EngineReport& report = *out.mutable_report();
  report = wire::ToProto(status.report);
  report.set_highest_link_epoch(status.link_epoch.value());
  report.set_kafka_fault(kafka_fault);
  if (report.has_occupancy()) {
    report.mutable_occupancy()->set_waiting_for(status.waiting_for);
    if (status.grant) report.mutable_occupancy()->set_driver_id(status.grant->driver.value());
  }
  out.set_plug_state(status.report.plugged_in ? pb::PLUG_STATE_PLUGGED_IN : pb::PLUG_STATE_UNPLUGGED);
  out.set_power_w(
      static_cast<std::int32_t>(std::clamp<std::int64_t>(status.power_w, 0, std::numeric_limits<std::int32_t>::max())));
  out.set_register_mwh(status.register_mwh);
  out.set_energy_flows(status.energy_flows);
  out.set_monitor_present(status.monitor_present);
  out.set_link_epoch(status.link_epoch.value());
  if (status.central_age) *out.mutable_central_beat_age() = wire::ToProto(*status.central_age);
  if (status.configuration) *out.mutable_configuration() = wire::ToProto(*status.configuration);
  if (status.grant) *out.mutable_grant() = wire::ToProto(*status.grant);
  if (status.last_start != absl::InfinitePast()) *out.mutable_last_start_time() = wire::ToProto(status.last_start);
  out.set_version(std::string(process::Version()));
  return out;
}

absl::Status DenialError(DenialReason reason, const std::string& text, const CpId& cp) {
  return WithDetail(absl::Status(CodeOf(reason), text.empty() ? std::string(Name(reason)) : text),
                    {.reason = std::string(Name(reason)),
                     .metadata = {{"charging_point_id", cp.value()}},
                     .fields = {},
                     .retry_after = std::nullopt});
}

}  // namespace ev::engine
