#include "services/central/core/effects.h"

namespace ev::central {

Failure ReusedRequestId() {
  return Failure{absl::InvalidArgumentError("request_id was used before with other parameters"), "REQUEST_ID_REUSED",
                 DenialReason::kNone, SessionId(), "request_id"};
}

absl::string_view NoticeFor(SessionState session, PointState point) {
  if (!IsOpen(session)) return "";
  if (point == PointState::kDisconnected) return "the charging point is disconnected";
  if (point == PointState::kFaulted) return "the charging point is faulted";
  return "";
}

}  // namespace ev::central
