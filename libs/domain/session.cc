#include "domain/session.h"

#include "absl/strings/str_cat.h"

namespace ev {
namespace {

using enum SessionState;

struct Move {
  SessionState from;
  SessionState to;
};

// Read as "from, to". An absent row is forbidden. A fact can overtake every answer, so each open state may be left for
// any later one; a denied or expired session that delivered energy after all is completed (it was billed wrongly to
// nobody, and must be billed).
constexpr Move kMoves[] = {
    {kRequested, kUnconfirmed},   {kRequested, kGranted},     {kRequested, kDenied},
    {kRequested, kExpired},       {kRequested, kCharging},    {kRequested, kCompleted},
    {kRequested, kAwaitingFinal},

    {kUnconfirmed, kGranted},     {kUnconfirmed, kDenied},    {kUnconfirmed, kExpired},
    {kUnconfirmed, kCharging},    {kUnconfirmed, kCompleted}, {kUnconfirmed, kAwaitingFinal},

    {kGranted, kExpired},         {kGranted, kCharging},      {kGranted, kAwaitingFinal},
    {kGranted, kCompleted},

    {kCharging, kAwaitingFinal},  {kCharging, kCompleted},

    {kAwaitingFinal, kCompleted},

    {kDenied, kCompleted},        {kExpired, kCompleted},
};

}  // namespace

bool CanMove(SessionState from, SessionState to) {
  for (const Move& move : kMoves) {
    if (move.from == from && move.to == to) return true;
  }
  return false;
}

bool HoldsPoint(SessionState state) {
  return state == kRequested || state == kUnconfirmed || state == kGranted || state == kCharging;
}

bool IsOpen(SessionState state) {
  return HoldsPoint(state) || state == kAwaitingFinal;
}

std::vector<SessionState> OpenStates() {
  std::vector<SessionState> states;
  for (int i = 1; i <= kSessionStates; ++i) {
    if (const auto state = static_cast<SessionState>(i); IsOpen(state)) states.push_back(state);
  }
  return states;
}

absl::string_view Name(SessionState state) {
  switch (state) {
    case kRequested:
      return "REQUESTED";
    case kUnconfirmed:
      return "UNCONFIRMED";
    case kGranted:
      return "GRANTED";
    case kCharging:
      return "CHARGING";
    case kAwaitingFinal:
      return "AWAITING_FINAL";
    case kCompleted:
      return "COMPLETED";
    case kDenied:
      return "DENIED";
    case kExpired:
      return "EXPIRED";
  }
  return "UNKNOWN";
}

absl::string_view Name(EndReason reason) {
  switch (reason) {
    case EndReason::kNone:
      return "NONE";
    case EndReason::kUnplugged:
      return "UNPLUGGED";
    case EndReason::kDriverStop:
      return "DRIVER_STOP";
    case EndReason::kTargetReached:
      return "TARGET_REACHED";
    case EndReason::kOperatorStop:
      return "OPERATOR_STOP";
    case EndReason::kFault:
      return "FAULT";
    case EndReason::kMonitorLost:
      return "MONITOR_LOST";
    case EndReason::kVehicleFull:
      return "VEHICLE_FULL";
    case EndReason::kEngineRestarted:
      return "ENGINE_RESTARTED";
    case EndReason::kWrittenOff:
      return "WRITTEN_OFF";
    case EndReason::kJournalFull:
      return "JOURNAL_FULL";
  }
  return "UNKNOWN";
}

absl::string_view Name(DenialReason reason) {
  switch (reason) {
    case DenialReason::kNone:
      return "NONE";
    case DenialReason::kPointUnknown:
      return "POINT_UNKNOWN";
    case DenialReason::kPointBusy:
      return "POINT_BUSY";
    case DenialReason::kPointStopped:
      return "POINT_STOPPED";
    case DenialReason::kPointFaulted:
      return "POINT_FAULTED";
    case DenialReason::kPointDisconnected:
      return "POINT_DISCONNECTED";
    case DenialReason::kPointNotReady:
      return "POINT_NOT_READY";
    case DenialReason::kJournalFull:
      return "JOURNAL_FULL";
    case DenialReason::kGrantOutdated:
      return "GRANT_OUTDATED";
    case DenialReason::kRequestExpired:
      return "REQUEST_EXPIRED";
    case DenialReason::kCentralUnreachable:
      return "CENTRAL_UNREACHABLE";
    case DenialReason::kMonitorMissing:
      return "MONITOR_MISSING";
    case DenialReason::kCancelled:
      return "CANCELLED";
    case DenialReason::kEngineUnreachable:
      return "ENGINE_UNREACHABLE";
    case DenialReason::kNotDelivered:
      return "NOT_DELIVERED";
    case DenialReason::kWrongPoint:
      return "WRONG_POINT";
    case DenialReason::kOverloaded:
      return "OVERLOADED";
    case DenialReason::kDriverRefused:
      return "DRIVER_REFUSED";
    case DenialReason::kRequestIdReused:
      return "REQUEST_ID_REUSED";
    case DenialReason::kInvalidField:
      return "INVALID_FIELD";
  }
  return "UNKNOWN";
}

absl::StatusCode CodeOf(DenialReason reason) {
  switch (reason) {
    case DenialReason::kPointUnknown:
      return absl::StatusCode::kNotFound;
    case DenialReason::kJournalFull:
    case DenialReason::kOverloaded:
      return absl::StatusCode::kResourceExhausted;
    case DenialReason::kCentralUnreachable:
      return absl::StatusCode::kUnavailable;
    case DenialReason::kRequestIdReused:
    case DenialReason::kInvalidField:
      return absl::StatusCode::kInvalidArgument;
    default:
      return absl::StatusCode::kFailedPrecondition;
  }
}

absl::Status CheckTarget(const Target& target) {
  const auto in_range = [](absl::string_view what, std::int64_t value, std::int64_t max) {
    if (value > 0 && value <= max) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(what, " of ", value, " is outside 1 .. ", max));
  };
  if (const auto* energy = std::get_if<EnergyTarget>(&target)) {
    return in_range("target energy_mwh", energy->energy_mwh, kMaxSessionEnergyMwh);
  }
  if (const auto* amount = std::get_if<AmountTarget>(&target)) {
    return in_range("target amount_micros", amount->amount_micros, kMaxAmountMicros);
  }
  if (const auto* time = std::get_if<DurationTarget>(&target)) {
    return in_range("target duration in ms", absl::ToInt64Milliseconds(time->duration), 7LL * 24 * 3600 * 1000);
  }
  return absl::OkStatus();
}

}  // namespace ev
