#include "services/central/adapters/change_log.h"

#include "log/log.h"

namespace ev::central {

void ChangeLog::OnSession(const SessionChanged& change) {
  const Session& s = change.session;
  const log::TraceScope scope(s.trace);
  if (s.written_off && change.previous.has_value() && IsOpen(*change.previous)) {
    log::Warn("session written off", {{"session_id", s.id},
                                      {"cp_id", s.cp},
                                      {"driver_id", s.driver},
                                      {"requested_by", s.written_off_by},
                                      {"reason", s.written_off_reason}});
  }
  if (change.ticket.has_value()) {
    log::Info("ticket issued", {{"session_id", s.id},
                                {"cp_id", s.cp},
                                {"driver_id", s.driver},
                                {"energy_mwh", change.ticket->energy_mwh},
                                {"amount_micros", change.ticket->amount_micros},
                                {"currency", change.ticket->price.currency},
                                {"end_reason", Name(change.ticket->end_reason)}});
    return;
  }
  if (change.previous == s.state) return;
  if (s.state == SessionState::kDenied) {
    log::Warn("session denied", {{"session_id", s.id},
                                 {"cp_id", s.cp},
                                 {"driver_id", s.driver},
                                 {"reason", Name(s.denial)},
                                 {"text", s.denial_text}});
    return;
  }
  log::Info("session changed",
            {{"session_id", s.id}, {"cp_id", s.cp}, {"driver_id", s.driver}, {"state", Name(s.state)}});
}

void ChangeLog::OnPoint(const PointChanged& change) {
  const PointView& p = change.point;
  if (change.deleted) {
    log::Info("charging point deleted", {{"cp_id", p.record.id}});
  } else if (!change.previous.has_value()) {
    log::Info("charging point registered", {{"cp_id", p.record.id}, {"location", p.record.location}});
  } else if (*change.previous != p.state) {
    log::Info("charging point changed",
              {{"cp_id", p.record.id}, {"state", Name(p.state)}, {"was", Name(*change.previous)}, {"fault", p.fault}});
  }
}

void ChangeLog::OnDenied(const RequestDenied& denied) {
  const log::TraceScope scope(denied.trace);
  log::Warn(
      "request denied",
      {{"cp_id", denied.cp}, {"driver_id", denied.driver}, {"reason", Name(denied.reason)}, {"text", denied.text}});
}

void ChangeLog::OnDeadLetter(const DeadLettered& letter) {
  const log::TraceScope scope(letter.trace);
  log::Warn("message put aside", {{"topic", letter.topic},
                                  {"partition", letter.partition},
                                  {"offset", letter.offset},
                                  {"reason", letter.reason},
                                  {"detail", letter.detail},
                                  {"session_id", letter.session}});
}

void ChangeLog::OnAlert(const AlertRaised& alert) {
  const log::TraceScope scope(alert.trace);
  log::Warn("alert",
            {{"kind", Name(alert.kind)}, {"cp_id", alert.cp}, {"session_id", alert.session}, {"text", alert.text}});
}

}  // namespace ev::central
