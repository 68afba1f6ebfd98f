#ifndef EV_SERVICES_ENGINE_CORE_UNSETTLED_LIST_H_
#define EV_SERVICES_ENGINE_CORE_UNSETTLED_LIST_H_

#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "domain/fact.h"
#include "domain/ids.h"
#include "domain/link.h"

namespace ev::engine {

// The sessions whose start or final Central has not settled, oldest first, and which sessions have ended here.
class UnsettledList {
 public:
  // A start or a final was made.
  void Add(const Fact& fact);

  // What of it was waiting here: that part's room is free again. Nothing: all of it was settled before, or never made,
  // or what was refused is another fact than the one kept here.
  std::optional<Settlement> Settle(const Settlement& settlement);

  // None: nothing of the session waits here.
  Trace TraceOf(const SessionId& session) const;

  // The oldest ones, at most kMaxUnsettledListed.
  std::vector<Unsettled> Oldest() const;
  // When the oldest start or final in it happened.
  std::optional<absl::Time> OldestTime() const;
  std::int64_t total() const { return static_cast<std::int64_t>(entries_.size()); }
  // Starts and finals in it.
  std::int64_t facts() const { return facts_; }

  // Why this session ended; kNone: it did not run here, or has not ended. The last 256 are remembered after they were
  // settled.
  EndReason EndOf(const SessionId& session) const;
  // The final of the session under this grant waits here.
  bool HasFinal(GrantNumber number) const;

 private:
  struct Entry {
    Unsettled listed;
    MessageId start;
    MessageId final;
    absl::Time start_time;
    absl::Time final_time;
    EndReason end_reason = EndReason::kNone;
    Trace trace;
  };

  std::deque<Entry> entries_;
  std::int64_t facts_ = 0;
  std::deque<std::pair<SessionId, EndReason>> ended_;
};

}  // namespace ev::engine

#endif  // EV_SERVICES_ENGINE_CORE_UNSETTLED_LIST_H_
