#include "services/central/adapters/shard_call.h"

#include <algorithm>
#include <cstddef>

namespace ev::central {

absl::Status AskAgain(const absl::Status& status) {
  const std::string reason = DetailOf(status).reason;
  absl::Status again = absl::UnavailableError(status.message());
  return WithRetryAfter(WithReason(again, reason.empty() ? "CENTRAL_NOT_READY" : reason), absl::Seconds(1));
}

absl::Status Overloaded() {
  const absl::Status status =
      absl::ResourceExhaustedError("too much waits for central's store or for charging points already; ask again");
  return WithRetryAfter(WithReason(status, Name(DenialReason::kOverloaded)), absl::Seconds(1));
}

RowKeys RequestTag::rows() const {
  RowKeys rows;
  if (!key.empty()) rows.requests.push_back(key);
  return rows;
}

void Once(Shard& shard, const Moment& now, const CallId& call, const RequestTag& tag, Effects& out,
          absl::FunctionRef<void()> first, absl::FunctionRef<void()> again) {
  switch (shard.UseOf(tag.key, tag.fingerprint)) {
    case RequestUse::kRepeat:
      return again();
    case RequestUse::kReused:
      out.push_back(Reply{call, ReusedRequestId()});
      return;
    case RequestUse::kNew:
      break;
  }
  const std::size_t before = out.size();
  first();
  const bool was_refused =
      std::any_of(out.begin() + static_cast<std::ptrdiff_t>(before), out.end(), [&](const Effect& e) {
        const auto* reply = std::get_if<Reply>(&e);
        return reply != nullptr && reply->call == call && std::holds_alternative<Failure>(reply->result);
      });
  if (!was_refused) shard.RememberRequest(now, tag.key, tag.fingerprint);
}

}  // namespace ev::central
