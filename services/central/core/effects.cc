#include "services/central/core/effects.h"

namespace ev::central {

Failure ReusedRequestId() {
  return Failure{absl::InvalidArgumentError("request_id was used before with other parameters"), "REQUEST_ID_REUSED",
                 DenialReason::kNone, SessionId(), "request_id"};
}

absl::string_view Name(AlertKind kind) {
  switch (kind) {
    case AlertKind::kPointFaulted:
      return "ENGINE_FAULTED";
    case AlertKind::kLinkLost:
      return "LINK_LOST";
    case AlertKind::kRecovered:
      return "SESSION_RECOVERED";
    case AlertKind::kAmountDiffers:
      return "AMOUNT_DIFFERS";
    case AlertKind::kDeadLetter:
      return "DEAD_LETTER";
    case AlertKind::kGap:
      return "GAP";
    case AlertKind::kLinkRefused:
      return "REGISTRATION_REFUSED";
    case AlertKind::kEngineSilent:
      return "ENGINE_SILENT";
    case AlertKind::kClusterUnknown:
      return "CLUSTER_UNKNOWN";
    case AlertKind::kJournalReplaced:
      return "JOURNAL_REPLACED";
  }
  return "UNKNOWN";
}

absl::string_view NoticeFor(SessionState session, PointState point) {
  if (!IsOpen(session)) return "";
  if (point == PointState::kDisconnected) return "the charging point is disconnected";
  if (point == PointState::kFaulted) return "the charging point is faulted";
  return "";
}

}  // namespace ev::central
