#include "services/engine/core/unsettled_list.h"

#include <algorithm>
#include <iterator>

namespace ev::engine {
namespace {

constexpr std::size_t kMaxEndedRemembered = 256;

}  // namespace

void UnsettledList::Add(const Fact& fact) {
  // From the back: the session that just started or ended is the newest.
  auto it = std::find_if(entries_.rbegin(), entries_.rend(),
                         [&](const Entry& e) { return e.listed.session == fact.session; });
  Entry& entry = it != entries_.rend()
                     ? *it
                     : entries_.emplace_back(Entry{.listed = {.session = fact.session, .number = fact.grant.number},
                                                   .trace = fact.grant.trace});
  const bool is_final = fact.kind == FactKind::kFinal;
  (is_final ? entry.final : entry.start) = fact.message_id;
  (is_final ? entry.final_time : entry.start_time) = fact.time;
  bool& flag = is_final ? entry.listed.final : entry.listed.start;
  if (!flag) ++facts_;
  flag = true;
  if (is_final) {
    entry.end_reason = fact.end_reason;
    ended_.emplace_back(fact.session, fact.end_reason);
    if (ended_.size() > kMaxEndedRemembered) ended_.pop_front();
  }
}

std::optional<Settlement> UnsettledList::Settle(const Settlement& settlement) {
  const auto it = std::find_if(entries_.begin(), entries_.end(),
                               [&](const Entry& e) { return e.listed.session == settlement.session; });
  if (it == entries_.end()) return std::nullopt;
  const auto is_meant = [&](const MessageId& id) { return !settlement.refused || settlement.message_id == id; };
  Unsettled& listed = it->listed;
  Settlement done = settlement;
  done.start = settlement.start && listed.start && is_meant(it->start);
  done.final = settlement.final && listed.final && is_meant(it->final);
  if (!done.start && !done.final) return std::nullopt;
  listed.start = listed.start && !done.start;
  listed.final = listed.final && !done.final;
  facts_ -= (done.start ? 1 : 0) + (done.final ? 1 : 0);
  if (!listed.start && !listed.final) entries_.erase(it);
  return done;
}

Trace UnsettledList::TraceOf(const SessionId& session) const {
  const auto it =
      std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.listed.session == session; });
  return it == entries_.end() ? Trace() : it->trace;
}

std::vector<Unsettled> UnsettledList::Oldest() const {
  const auto count = std::min<std::ptrdiff_t>(std::ssize(entries_), kMaxUnsettledListed);
  std::vector<Unsettled> oldest;
  oldest.reserve(count);
  std::transform(entries_.begin(), entries_.begin() + count, std::back_inserter(oldest),
                 [](const Entry& e) { return e.listed; });
  return oldest;
}

std::optional<absl::Time> UnsettledList::OldestTime() const {
  if (entries_.empty()) return std::nullopt;
  const Entry& oldest = entries_.front();  // A session's final comes after its start, and before the next session.
  return oldest.listed.start ? oldest.start_time : oldest.final_time;
}

EndReason UnsettledList::EndOf(const SessionId& session) const {
  const auto ended =
      std::find_if(ended_.rbegin(), ended_.rend(), [&](const auto& entry) { return entry.first == session; });
  if (ended != ended_.rend()) return ended->second;
  const auto entry =
      std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.listed.session == session; });
  return entry == entries_.end() ? EndReason::kNone : entry->end_reason;
}

bool UnsettledList::HasFinal(GrantNumber number) const {
  return std::any_of(entries_.begin(), entries_.end(),
                     [&](const Entry& e) { return e.listed.number == number && e.listed.final; });
}

}  // namespace ev::engine
