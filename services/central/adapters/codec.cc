#include "services/central/adapters/codec.h"

#include <cstdint>
#include <string>
#include <variant>

#include "absl/time/time.h"
#include "base/error_detail.h"
#include "wire/common_codec.h"

namespace ev::central {
namespace {

namespace pb = evcharging::central::v1;
namespace common = evcharging::common::v1;

// The domain's numbers are the wire's: see wire/common_codec.cc.
template <typename Wire, typename Domain>
Wire Cast(Domain value) {
  return static_cast<Wire>(static_cast<int>(value));
}

bool IsFinite(absl::Time time) {
  return time != absl::InfinitePast() && time != absl::InfiniteFuture();
}

void PutRevision(const Revision& from, common::Revision* to) {
  to->set_incarnation(from.incarnation);
  to->set_counter(from.counter);
}

bool HasTarget(const Target& target) {
  return !std::holds_alternative<std::monostate>(target);
}

void PutConnection(const PointView& view, pb::PointConnection* to) {
  to->set_connected(view.state != PointState::kDisconnected);
  if (IsFinite(view.last_seen)) *to->mutable_last_seen_time() = wire::ToProto(view.last_seen);
  to->set_link_epoch(view.record.link_epoch.value());
  to->set_monitor_version(view.monitor_version);
  to->set_engine_health(Cast<common::EngineHealth>(view.health));
  to->set_fault(view.fault);
  if (view.state == PointState::kDisconnected) {
    to->set_last_state(Cast<common::ChargingPointState>(view.last_state));
  }
  to->set_journal_id(view.record.journal_id);
  to->set_journal_room_facts(view.journal_room);
  to->set_journal_full(view.journal_full);
  to->set_unsettled_total(static_cast<std::int32_t>(view.unsettled_total));
  to->set_kafka_fault(view.kafka_fault);
}

}  // namespace

pb::ChargingPoint ToProto(const PointView& view) {
  pb::ChargingPoint point;
  point.set_charging_point_id(view.record.id.value());
  point.set_location(view.record.location);
  point.set_site(view.record.site);
  *point.mutable_price() = wire::ToProto(view.record.price);
  point.set_state(Cast<common::ChargingPointState>(view.state));
  for (std::size_t i = 0; i < view.causes.size(); ++i) {
    const OutOfService& from = view.causes[i];
    pb::OutOfService* cause = point.add_causes();
    cause->set_cause(Cast<common::OutOfServiceCause>(from.cause));
    cause->set_requested_by(from.who);
    cause->set_reason(from.reason);
    *cause->mutable_set_time() = wire::ToProto(from.since);
    cause->set_network_wide(i >= view.record.causes.size());  // The point's own come first.
  }
  PutConnection(view, point.mutable_connection());
  if (view.session.has_value()) {
    pb::CurrentSession* session = point.mutable_current_session();
    session->set_session_id(view.session->id.value());
    session->set_driver_id(view.session->driver.value());
    session->set_state(Cast<common::SessionState>(view.session->state));
    session->set_energy_mwh(view.session->energy_mwh);
    session->set_power_w(static_cast<std::int32_t>(view.session->power_w));
    session->set_waiting_for(view.waiting_for);
    session->set_amount_micros(view.session->amount_micros);
  }
  point.set_highest_grant_number(view.record.highest_grant.value());
  *point.mutable_create_time() = wire::ToProto(view.record.registered);
  PutRevision(view.revision, point.mutable_revision());
  return point;
}

pb::Session ToProto(const Session& from, PointState point) {
  pb::Session session;
  session.set_session_id(from.id.value());
  session.set_charging_point_id(from.cp.value());
  session.set_driver_id(from.driver.value());
  session.set_grant_number(from.number.value());
  session.set_state(Cast<common::SessionState>(from.state));
  *session.mutable_price() = wire::ToProto(from.price);
  if (HasTarget(from.target)) *session.mutable_target() = wire::ToProto(from.target);
  session.set_energy_mwh(from.energy_mwh);
  session.set_power_w(from.state == SessionState::kCharging ? static_cast<std::int32_t>(from.power_w) : 0);
  session.set_amount_micros(from.amount_micros);
  session.set_requested_at_point(from.manual);
  *session.mutable_request_time() = wire::ToProto(from.requested);
  if (IsFinite(from.start)) *session.mutable_start_time() = wire::ToProto(from.start);
  if (IsFinite(from.end)) *session.mutable_end_time() = wire::ToProto(from.end);
  if (IsFinite(from.measured)) *session.mutable_last_sample_time() = wire::ToProto(from.measured);
  session.set_end_reason(Cast<common::EndReason>(from.end_reason));
  if (from.state == SessionState::kDenied || from.state == SessionState::kExpired) {
    *session.mutable_denial() = wire::ToDenial(from.denial, from.denial_text);
  }
  if (HoldsPoint(from.state)) session.set_stop_requested(Cast<common::EndReason>(from.stop_asked));
  if (from.written_off) {
    session.mutable_write_off()->set_requested_by(from.written_off_by);
    session.mutable_write_off()->set_reason(from.written_off_reason);
  }
  session.set_notice(std::string(NoticeFor(from.state, point)));
  PutRevision(from.revision, session.mutable_revision());
  session.set_trace_id(TraceIdText(from.trace));
  return session;
}

absl::Status ToStatus(const Failure& failure) {
  ErrorDetail detail;
  detail.reason = failure.reason;
  if (!failure.session.empty()) detail.metadata["session_id"] = failure.session.value();
  if (!failure.field.empty()) {
    detail.fields.push_back({.field = failure.field, .description = std::string(failure.status.message())});
  }
  return WithDetail(failure.status, detail);
}

}  // namespace ev::central