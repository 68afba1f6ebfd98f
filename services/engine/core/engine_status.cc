// How the charging point is: what stands in the way of a charge, and what is reported.

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "services/engine/core/engine.h"

namespace ev::engine {

const Grant* Engine::CurrentGrant() const {
  if (const auto* reservation = std::get_if<Reservation>(&occupant_)) return &reservation->grant;
  if (const auto* charging = std::get_if<Charging>(&occupant_)) return &charging->charge.grant();
  return nullptr;
}

std::int64_t Engine::KeptFacts() const {
  // A reservation keeps room for its start and its final; a running charge has made its start and keeps room for the
  // final.
  const std::int64_t reserved = std::holds_alternative<Reservation>(occupant_) ? 2 : Idle() ? 0 : 1;
  return unsettled_.facts() + reserved;
}

bool Engine::JournalFull() const {
  // One more than the start and the final, so that at least a sample fits as well.
  return KeptFacts() + 3 > capacity_;
}

Engine::Refusal Engine::Obstacle(Moment now) const {
  if (!link_.MonitorPresent(now.monotonic)) {
    return {DenialReason::kMonitorMissing, "the Engine does not hear its Monitor"};
  }
  if (!link_.configured()) {
    return {DenialReason::kPointNotReady, "this link's configuration has not arrived"};
  }
  if (shutting_down_) return {DenialReason::kPointNotReady, "the Engine is stopping"};
  if (!fault_.empty()) return {DenialReason::kPointFaulted, absl::StrCat("the charging point is faulted: ", fault_)};
  if (!link_.configuration().causes.empty()) {
    return {DenialReason::kPointStopped,
            absl::StrCat("out of service: ", Name(link_.configuration().causes.front().cause))};
  }
  if (const Grant* grant = CurrentGrant()) {
    return {DenialReason::kPointBusy, absl::StrCat("busy with session ", grant->session.value())};
  }
  if (JournalFull()) {
    return {DenialReason::kJournalFull,
            absl::StrCat(unsettled_.facts(), " facts wait to be settled, no room for more")};
  }
  return {};
}

// Energy flows only when all of this holds at once; each input that could make it so tries.
std::string Engine::WaitingFor(Moment now) const {
  if (shutting_down_) return "the Engine to be started again";
  if (!fault_.empty()) return "the fault to be cleared";
  if (!link_.MonitorPresent(now.monotonic)) return "the Monitor to be heard";
  if (!link_.configured()) return "this link's configuration";
  if (!link_.configuration().causes.empty()) return "the charging point to be back in service";
  if (!link_.CentralHeard(now.monotonic)) return "Central to be heard";
  return {};
}

EngineReport Engine::MakeReport() const {
  EngineReport report;
  report.health = fault_.empty() ? EngineHealth::kHealthy : EngineHealth::kFaulted;
  report.fault = fault_;
  report.configured_epoch = link_.configured_epoch();
  report.mark = mark_;
  report.journal_id = journal_id_;
  report.journal_room = std::max<std::int64_t>(capacity_ - KeptFacts(), 0);
  report.journal_full = JournalFull();
  report.plugged_in = plugged_in_;
  if (const Grant* grant = CurrentGrant()) {
    report.occupation = Occupation{.session = grant->session, .number = grant->number, .phase = Phase::kGranted};
    if (const auto* charging = std::get_if<Charging>(&occupant_)) {
      report.occupation->phase = Phase::kCharging;
      report.occupation->energy_mwh = charging->charge.energy_mwh();
      report.occupation->power_w = charging->charge.power_w();
      report.occupation->amount_micros = charging->charge.amount_micros();
    }
  }
  report.unsettled = unsettled_.Oldest();
  report.unsettled_total = unsettled_.total();
  return report;
}

Status Engine::GetStatus(Moment now) const {
  Status status;
  status.cp = cp_;
  status.report = MakeReport();
  if (std::holds_alternative<Reservation>(occupant_) && plugged_in_) {
    status.waiting_for = vehicle_served_ ? "the vehicle of the last charge to be unplugged" : WaitingFor(now);
  }
  const auto* charging = std::get_if<Charging>(&occupant_);
  status.energy_flows = charging != nullptr && charging->contactor_closed && charging->ending == EndReason::kNone;
  status.monitor_present = link_.MonitorPresent(now.monotonic);
  status.link_epoch = link_.newest();
  status.central_age = link_.CentralAge(now.monotonic);
  if (link_.configured()) status.configuration = link_.configuration();
  if (const Grant* grant = CurrentGrant()) status.grant = *grant;
  status.last_start = last_start_;
  status.oldest_unsettled = unsettled_.OldestTime();
  status.register_mwh = meter_.register_mwh;
  status.power_w = meter_.power_w;
  return status;
}

Engine::StatusKey Engine::Key(const Status& status) const {
  const auto& occupation = status.report.occupation;
  return {status.cp,
          status.report.health,
          status.report.fault,
          status.report.configured_epoch,
          status.report.mark,
          status.report.plugged_in,
          occupation ? occupation->session : SessionId(),
          occupation ? static_cast<int>(occupation->phase) : 0,
          status.energy_flows,
          status.monitor_present,
          status.waiting_for,
          status.report.unsettled_total};
}

}  // namespace ev::engine
