#include "services/central/adapters/link_codec.h"

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/error_detail.h"
#include "services/central/adapters/request_fields.h"
#include "wire/common_codec.h"

namespace ev::central {
namespace {

namespace pb = evcharging::central::v1;
namespace common = evcharging::common::v1;

// Far above what any journal holds.
constexpr std::int64_t kMaxRoom = 1'000'000'000'000'000;

// --- down the link ---------------------------------------------------------------------------------------------------

void Put(const CentralBeat&, pb::LinkDown* to) {
  to->mutable_beat();
}

void Put(const Configuration& from, pb::LinkDown* to) {
  *to->mutable_configuration() = wire::ToProto(from);
}

void Put(const PrepareSession& from, pb::Command* to) {
  *to->mutable_prepare_session()->mutable_grant() = wire::ToProto(from.grant);
  *to->mutable_prepare_session()->mutable_plug_in_time() = wire::ToProto(from.plug_in_time_to_live);
}
void Put(const CancelGrant& from, pb::Command* to) {
  to->mutable_cancel_grant()->set_grant_number(from.number.value());
  to->mutable_cancel_grant()->set_session_id(from.session.value());
  to->mutable_cancel_grant()->set_traceparent(Traceparent(from.trace, from.session.value()));
}
void Put(const ev::StopSession& from, pb::Command* to) {
  to->mutable_stop_session()->set_session_id(from.session.value());
  to->mutable_stop_session()->set_reason(static_cast<common::EndReason>(from.reason));
  to->mutable_stop_session()->set_traceparent(Traceparent(from.trace, from.session.value()));
}

void Put(const Command& from, pb::LinkDown* to) {
  pb::Command* command = to->mutable_command();
  command->set_command_id(absl::StrCat(from.id.value()));
  *command->mutable_time_left() = wire::ToProto(from.deadline);
  std::visit([&](const auto& body) { Put(body, command); }, from.body);
}

void Put(const Settlement& from, pb::LinkDown* to) {
  *to->mutable_settlement() = wire::ToProto(from);
}

// --- from a Monitor --------------------------------------------------------------------------------------------------

absl::Status CheckRange(absl::string_view field, std::int64_t value, std::int64_t low, std::int64_t high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return FieldError(field, absl::StrCat(value, " is outside ", low, " .. ", high));
}

// UNSPECIFIED is UNKNOWN.
absl::StatusOr<EngineHealth> ReadHealth(absl::string_view field, int health) {
  if (health == common::ENGINE_HEALTH_UNSPECIFIED) return EngineHealth::kUnknown;
  if (!common::EngineHealth_IsValid(health)) return FieldError(field, absl::StrCat("has no value ", health));
  return static_cast<EngineHealth>(health);
}

absl::StatusOr<Occupation> ReadOccupation(const common::Occupancy& from) {
  auto session = ReadSessionId("report.occupancy.session_id", from.session_id());
  if (!session.ok()) return session.status();
  if (from.phase() != common::OCCUPANCY_PHASE_GRANTED && from.phase() != common::OCCUPANCY_PHASE_CHARGING) {
    return FieldError("report.occupancy.phase", absl::StrCat("has no value ", from.phase()));
  }
  for (const absl::Status& status :
       {CheckRange("report.occupancy.grant_number", from.grant_number(), 1, kMaxCounter),
        CheckRange("report.occupancy.energy_mwh", from.energy_mwh(), 0, kMaxSessionEnergyMwh),
        CheckRange("report.occupancy.power_w", from.power_w(), 0, kMaxPowerW),
        CheckRange("report.occupancy.amount_micros", from.amount_micros(), 0, kMaxAmountMicros)}) {
    if (!status.ok()) return status;
  }
  return Occupation{.session = *std::move(session),
                    .number = GrantNumber(from.grant_number()),
                    .phase = static_cast<Phase>(from.phase()),
                    .energy_mwh = from.energy_mwh(),
                    .power_w = from.power_w(),
                    .amount_micros = from.amount_micros(),
                    .waiting_for = CleanText(from.waiting_for(), kMaxReasonBytes)};
}

absl::StatusOr<EngineReport> ReadReport(const common::EngineReport& from) {
  auto health = ReadHealth("report.health", from.health());
  if (!health.ok()) return health.status();
  for (const absl::Status& status :
       {CheckRange("report.grant_mark", from.grant_mark(), 0, kMaxCounter),
        CheckRange("report.highest_link_epoch", from.highest_link_epoch(), 0, kMaxCounter),
        CheckRange("report.configured_link_epoch", from.configured_link_epoch(), 0, kMaxCounter),
        CheckRange("report.journal_room_facts", from.journal_room_facts(), 0, kMaxRoom),
        CheckRange("report.unsettled_total", from.unsettled_total(), from.unsettled_size(),
                   std::numeric_limits<std::int32_t>::max())}) {
    if (!status.ok()) return status;
  }
  if (from.unsettled_size() > kMaxUnsettledListed) {
    return FieldError("report.unsettled", absl::StrCat("has ", from.unsettled_size(), " entries, at most ",
                                                       kMaxUnsettledListed, " are allowed"));
  }
  EngineReport report{
      .health = *health,
      .fault = CleanText(from.fault(), kMaxReasonBytes),
      .configured_epoch = LinkEpoch(from.configured_link_epoch()),
      .mark = GrantNumber(from.grant_mark()),
      .journal_id = from.journal_id(),
      .journal_room = from.journal_room_facts(),
      .journal_full = from.journal_full(),
      .occupation = std::nullopt,
      .unsettled = {},
      .unsettled_total = from.unsettled_total(),
      .kafka_fault = CleanText(from.kafka_fault(), kMaxReasonBytes),
  };
  // A journal id has the form of a session id.
  if (!from.journal_id().empty() && !ParseSessionId(from.journal_id()).ok()) {
    return FieldError("report.journal_id", "must be 32 lower-case hexadecimal digits");
  }
  if (from.has_occupancy()) {
    auto occupation = ReadOccupation(from.occupancy());
    if (!occupation.ok()) return occupation.status();
    report.occupation = *std::move(occupation);
  }
  for (const common::UnsettledSession& unsettled : from.unsettled()) {
    auto session = ReadSessionId("report.unsettled.session_id", unsettled.session_id());
    if (!session.ok()) return session.status();
    if (auto status = CheckRange("report.unsettled.grant_number", unsettled.grant_number(), 0, kMaxCounter);
        !status.ok()) {
      return status;
    }
    report.unsettled.push_back({.session = *std::move(session),
                                .number = GrantNumber(unsettled.grant_number()),
                                .start = unsettled.start_unsettled(),
                                .final = unsettled.final_unsettled()});
  }
  return report;
}

DenialReason ReadDenial(common::DenialReason reason) {
  const DenialReason read = wire::FromProto(reason);
  return read == DenialReason::kNone ? DenialReason::kPointNotReady : read;
}

Verdict ReadFate(common::GrantFate fate) {
  switch (fate) {
    case common::GRANT_FATE_NEVER_SEEN:
    case common::GRANT_FATE_RELEASED:
    case common::GRANT_FATE_FORGOTTEN:
      return Verdict::kCancelled;
    case common::GRANT_FATE_CHARGING:
      return Verdict::kRunning;
    case common::GRANT_FATE_ENDED:
      return Verdict::kEnded;
    default:
      return Verdict::kFailed;
  }
}

Verdict ReadFate(const common::StopSessionResult& stopped) {
  switch (stopped.fate()) {
    case common::STOP_FATE_STOPPED:
      return Verdict::kStopped;
    case common::STOP_FATE_NOT_RUNNING:
      return stopped.end_reason() == common::END_REASON_UNSPECIFIED ? Verdict::kUnknown : Verdict::kEnded;
    case common::STOP_FATE_NOT_STARTED:
      return Verdict::kCancelled;
    default:
      return Verdict::kFailed;
  }
}

// Only what is certain: a cause that this Central has no word for is none.
Verdict ReadCause(pb::UndeliveredCause cause) {
  switch (cause) {
    case pb::UNDELIVERED_CAUSE_NOT_SENT:
    case pb::UNDELIVERED_CAUSE_EXPIRED:
      return Verdict::kNotSent;
    default:
      return Verdict::kFailed;
  }
}

}  // namespace

pb::LinkDown ToProto(const LinkBody& body) {
  pb::LinkDown down;
  std::visit([&](const auto& value) { Put(value, &down); }, body);
  return down;
}

absl::StatusOr<MonitorHello> FromProto(const pb::Hello& from) {
  auto cp = ReadCpId("hello.charging_point_id", from.charging_point_id());
  if (!cp.ok()) return cp.status();
  for (const absl::Status& status :
       {CheckText("hello.location", from.location(), kMaxLocationBytes),
        CheckText("hello.site", from.site(), kMaxSiteBytes),
        CheckText("hello.monitor_version", from.monitor_version(), kMaxRequestedByBytes)}) {
    if (!status.ok()) return status;
  }
  MonitorHello hello{.cp = *std::move(cp),
                     .location = from.location(),
                     .site = from.site(),
                     .monitor_version = from.monitor_version(),
                     .report = std::nullopt,
                     .highest_epoch = LinkEpoch(from.report().highest_link_epoch())};
  if (from.has_report()) {
    auto report = ReadReport(from.report());
    if (!report.ok()) return report.status();
    hello.report = *std::move(report);
  }
  return hello;
}

absl::StatusOr<MonitorBeat> FromProto(const pb::Beat& from) {
  auto health = ReadHealth("beat.engine_health", from.engine_health());
  if (!health.ok()) return health.status();
  MonitorBeat beat{.health = *health, .fault = CleanText(from.fault(), kMaxReasonBytes), .report = std::nullopt};
  if (from.has_report()) {
    auto report = ReadReport(from.report());
    if (!report.ok()) return report.status();
    if (beat.fault.empty()) beat.fault = report->fault;
    report->health = beat.health;
    report->fault = beat.fault;
    beat.report = *std::move(report);
  }
  return beat;
}

absl::StatusOr<CommandAnswer> FromProto(const pb::CommandAnswer& from) {
  std::int64_t id = 0;
  if (!absl::SimpleAtoi(from.command_id(), &id)) {
    return FieldError("command_answer.command_id", "is none that Central gave");
  }
  CommandAnswer answer{.id = CommandId(id)};
  std::int64_t mark = 0;
  switch (from.result_case()) {
    case pb::CommandAnswer::kPrepared:
      mark = from.prepared().grant_mark();
      answer.verdict = from.prepared().has_denial() ? Verdict::kDenied : Verdict::kGranted;
      if (from.prepared().has_denial()) {
        answer.denial = ReadDenial(from.prepared().denial().reason());
        answer.text = CleanText(from.prepared().denial().text(), kMaxReasonBytes);
      }
      break;
    case pb::CommandAnswer::kCancelled:
      mark = from.cancelled().grant_mark();
      answer.verdict = ReadFate(from.cancelled().fate());
      break;
    case pb::CommandAnswer::kStopped:
      answer.verdict = ReadFate(from.stopped());
      break;
    case pb::CommandAnswer::kUndelivered:
      answer.verdict = ReadCause(from.undelivered().cause());
      answer.text = CleanText(from.undelivered().text(), kMaxReasonBytes);
      break;
    case pb::CommandAnswer::RESULT_NOT_SET:
      break;
  }
  if (auto status = CheckRange("command_answer.grant_mark", mark, 0, kMaxCounter); !status.ok()) return status;
  answer.mark = GrantNumber(mark);
  return answer;
}

absl::StatusOr<PointRequest> FromProto(const common::SessionRequest& from) {
  if (from.request_id().empty()) return FieldError("session_request.request_id", "is empty");
  if (auto status = CheckRequestId("session_request.request_id", from.request_id()); !status.ok()) {
    return status;
  }
  auto driver = ReadDriverId("session_request.driver_id", from.driver_id());
  if (!driver.ok()) return driver.status();
  auto target = ReadTarget("session_request.target", from.target());
  if (!target.ok()) return target.status();
  auto waited = ReadWait("session_request.waited", from.waited());
  if (!waited.ok()) return waited.status();
  return PointRequest{.request_id = from.request_id(),
                      .driver = *std::move(driver),
                      .target = *std::move(target),
                      .waited = *waited,
                      .trace = ParseTraceparent(from.traceparent())};
}

}  // namespace ev::central
