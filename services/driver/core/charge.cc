#include "services/driver/core/charge.h"

namespace ev::driver {
namespace {

bool CutShort(EndReason reason) {
  switch (reason) {
    case EndReason::kFault:
    case EndReason::kMonitorLost:
    case EndReason::kEngineRestarted:
    case EndReason::kWrittenOff:
    case EndReason::kJournalFull:
      return true;
    default:
      return false;
  }
}

}  // namespace

bool IsConcluded(const Charge& charge) {
  switch (charge.state) {
    case SessionState::kCompleted:
      return charge.ticket.has_value();
    case SessionState::kDenied:
    case SessionState::kExpired:
      return true;
    default:
      return false;
  }
}

Conclusion ConclusionOf(const Charge& charge) {
  if (charge.ticket) return *charge.ticket;
  if (charge.denial) return *charge.denial;
  return Denial{.reason = std::string(Name(charge.state)), .text = ""};
}

bool IsSuccess(const Conclusion& conclusion) {
  const auto* ticket = std::get_if<Ticket>(&conclusion);
  return ticket != nullptr && !CutShort(ticket->end_reason);
}

}  // namespace ev::driver
