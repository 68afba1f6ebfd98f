#include "journal/inmemory/memory_fact_log.h"

#include <algorithm>
#include <cassert>
#include <iterator>
#include <utility>

namespace ev::journal {
namespace {

constexpr std::size_t kMaxQuarantined = 64;

}  // namespace

MemoryFactLog::MemoryFactLog(std::string id, std::int64_t capacity) : id_(std::move(id)), capacity_(capacity) {
  assert(capacity >= 3);
}

absl::StatusOr<LogContents> MemoryFactLog::Load() {
  MutexLock lock(mutex_);
  LogContents contents{.id = id_, .cp = cp_, .mark = mark_, .capacity = capacity_, .unsettled = {}, .open = open_};
  for (const auto& [position, fact] : facts_) {
    if (fact.kind != FactKind::kSample) contents.unsettled.push_back(fact);
  }
  return contents;
}

absl::Status MemoryFactLog::Write(const LogWrite& write) {
  MutexLock lock(mutex_);
  // Settlements first: the room that they free may be what the facts need.
  for (const Settlement& settled : write.settled) Settle(settled);
  if (!MakeRoom(static_cast<std::int64_t>(write.facts.size()))) {
    return absl::ResourceExhaustedError("the fact log is full of starts and finals that Central has not settled");
  }
  if (write.cp) cp_ = *write.cp;
  if (write.mark) mark_ = *write.mark;
  for (const Fact& fact : write.facts) Keep(fact);
  return absl::OkStatus();
}

// Drops every other sample of the older half, again and again until enough fits.
bool MemoryFactLog::MakeRoom(std::int64_t wanted) {
  const auto size = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return static_cast<std::int64_t>(facts_.size()); };
  if (size() - samples_ + wanted > capacity_) return false;
  while (size() + wanted > capacity_) {
    const std::int64_t older_half = std::max<std::int64_t>(samples_ / 2, 1);
    std::int64_t seen = 0;
    for (auto it = facts_.begin(); it != facts_.end() && seen < older_half;) {
      if (it->second.kind != FactKind::kSample) {
        ++it;
        continue;
      }
      if (seen++ % 2 == 0) {
        it = facts_.erase(it);
        --samples_;
        ++thinned_;
      } else {
        ++it;
      }
    }
  }
  return true;
}

void MemoryFactLog::Keep(const Fact& fact) {
  facts_.emplace(next_position_++, fact);
  switch (fact.kind) {
    case FactKind::kStart:
      open_ = OpenSession{.start = fact, .last_sequence = fact.sequence, .last_energy_mwh = 0};
      return;
    case FactKind::kSample:
      ++samples_;
      if (open_ && open_->start.session == fact.session) {
        open_->last_sequence = fact.sequence;
        open_->last_energy_mwh = fact.energy_mwh;
      }
      return;
    case FactKind::kFinal:
      if (open_ && open_->start.session == fact.session) open_.reset();
      return;
  }
}

void MemoryFactLog::Settle(const Settlement& settled) {
  for (auto it = facts_.begin(); it != facts_.end();) {
    const Fact& fact = it->second;
    const bool named = fact.session == settled.session && ((fact.kind == FactKind::kStart && settled.start) ||
                                                           (fact.kind == FactKind::kFinal && settled.final));
    if (named && settled.refused) quarantine_.push_back(fact);
    it = named ? facts_.erase(it) : std::next(it);
  }
  while (quarantine_.size() > kMaxQuarantined) quarantine_.pop_front();
}

std::vector<StoredFact> MemoryFactLog::Read(std::int64_t after, int limit) {
  MutexLock lock(mutex_);
  std::vector<StoredFact> result;
  for (auto it = facts_.upper_bound(after); it != facts_.end() && std::ssize(result) < limit; ++it) {
    result.push_back({.position = it->first, .fact = it->second});
  }
  return result;
}

std::vector<StoredFact> MemoryFactLog::ReadUnsettled() {
  MutexLock lock(mutex_);
  std::vector<StoredFact> result;
  for (const auto& [position, fact] : facts_) {
    if (fact.kind != FactKind::kSample) result.push_back({.position = position, .fact = fact});
  }
  return result;
}

void MemoryFactLog::Acknowledge(std::int64_t position) {
  MutexLock lock(mutex_);
  auto it = facts_.find(position);
  if (it == facts_.end() || it->second.kind != FactKind::kSample) return;
  facts_.erase(it);
  --samples_;
}

LogStats MemoryFactLog::Stats() const {
  MutexLock lock(mutex_);
  return {.starts_and_finals = static_cast<std::int64_t>(facts_.size()) - samples_,
          .samples = samples_,
          .thinned = thinned_,
          .quarantined = static_cast<std::int64_t>(quarantine_.size())};
}

}  // namespace ev::journal
