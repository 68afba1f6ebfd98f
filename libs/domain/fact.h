#ifndef EV_DOMAIN_FACT_H_
#define EV_DOMAIN_FACT_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/id_source.h"
#include "domain/ids.h"
#include "domain/session.h"

namespace ev {

enum class FactKind { kStart = 1, kSample = 2, kFinal = 3 };

// What a charging point says happened. Ids and sequence are given once, before it is kept; a repeat is identical.
struct Fact {
  MessageId message_id;
  FactKind kind = FactKind::kSample;
  CpId cp;
  SessionId session;
  std::int64_t sequence = 0;  // Within the session: the start is 0, then growing by one.
  absl::Time time;
  std::int64_t energy_mwh = 0;  // Cumulative since the start, so that a lost or repeated sample never changes a bill.
  std::int64_t power_w = 0;
  std::int64_t amount_micros = 0;  // What the charging point shows; Central computes its own.

  // Start and final only; a sample has its number and its trace, for what travels around it.
  Grant grant;
  std::int64_t register_mwh = 0;  // The meter's absolute register.

  // Final only.
  absl::Time start;
  absl::Time end;
  EndReason end_reason = EndReason::kNone;

  friend bool operator==(const Fact&, const Fact&) = default;
};

// Is the fact possible at all? InvalidArgument says which figure is nonsense (negative energy, a time outside the years
// 1970 .. 2199, a final without a reason, a grant of another session ...). Knows nothing of what was booked before.
absl::Status CheckFact(const Fact& fact);

}  // namespace ev

#endif  // EV_DOMAIN_FACT_H_
