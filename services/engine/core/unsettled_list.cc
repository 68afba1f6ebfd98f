#include "services/engine/core/unsettled_list.h"

#include <algorithm>

namespace ev::engine {
namespace {

constexpr std::size_t kMaxEndedRemembered = 256;

}  // namespace

void UnsettledList::Add(const Fact& fact) {
  // From the back: the session that just started or ended is the newest.
  auto it =
      std::find_if(entries_.rbegin(), entries_.rend(), [&](const Unsettled& u) { return u.session == fact.session; });
  Unsettled& entry = it != entries_.rend()
                         ? *it
                         : entries_.emplace_back(Unsettled{.session = fact.session, .number = fact.grant.number});
  bool& flag = fact.kind == FactKind::kFinal ? entry.final : entry.start;
  if (!flag) ++facts_;
  flag = true;
  if (fact.kind == FactKind::kFinal) {
    ended_.push_back(fact.session);
    if (ended_.size() > kMaxEndedRemembered) ended_.pop_front();
  }
}

std::optional<Settlement> UnsettledList::Settle(const Settlement& settlement) {
  const auto it = std::find_if(entries_.begin(), entries_.end(),
                               [&](const Unsettled& u) { return u.session == settlement.session; });
  if (it == entries_.end()) return std::nullopt;
  Settlement done = settlement;
  done.start = settlement.start && it->start;
  done.final = settlement.final && it->final;
  if (!done.start && !done.final) return std::nullopt;
  it->start = it->start && !done.start;
  it->final = it->final && !done.final;
  facts_ -= (done.start ? 1 : 0) + (done.final ? 1 : 0);
  if (!it->start && !it->final) entries_.erase(it);
  return done;
}

std::vector<Unsettled> UnsettledList::Oldest() const {
  const auto count = std::min<std::ptrdiff_t>(std::ssize(entries_), kMaxUnsettledListed);
  return {entries_.begin(), entries_.begin() + count};
}

bool UnsettledList::HasEnded(const SessionId& session) const {
  return std::find(ended_.begin(), ended_.end(), session) != ended_.end() ||
         std::any_of(entries_.begin(), entries_.end(),
                     [&](const Unsettled& u) { return u.session == session && u.final; });
}

}  // namespace ev::engine
