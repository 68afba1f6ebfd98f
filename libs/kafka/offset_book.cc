#include "kafka/offset_book.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace ev::kafka {

absl::Status OffsetBook::Add(const TopicPartitionOffset& position) {
  const TopicPartition partition{.topic = position.topic, .partition = position.partition};
  if (position.topic.empty() || position.partition < 0 || position.next.value_or(0) < kLogEnd) {
    return absl::InvalidArgumentError(absl::StrCat("position of ", position.topic, "[", position.partition, "] at ",
                                                   position.next.value_or(0), " is not one"));
  }
  const auto [entry, is_new] = entries_.try_emplace(partition, Entry{.next = position.next});
  if (!is_new) {
    return absl::InvalidArgumentError(
        absl::StrCat("partition ", position.topic, "[", position.partition, "] is named twice"));
  }
  ++moving_;
  return absl::OkStatus();
}

absl::StatusOr<std::int64_t> OffsetBook::Rewind(const TopicPartition& partition, std::optional<std::int64_t> next) {
  const auto found = entries_.find(partition);
  if (found == entries_.end()) {
    return absl::NotFoundError(absl::StrCat("partition ", partition.topic, "[", partition.partition, "] is not read"));
  }
  Entry& entry = found->second;
  SetPhase(entry, Phase::kMoving);
  entry.next = next;
  return ++entry.generation;
}

std::vector<OffsetBook::Move> OffsetBook::TakeMoves() {
  std::vector<Move> moves;
  if (moving_ == 0) return moves;
  for (auto& [partition, entry] : entries_) {
    if (entry.phase != Phase::kMoving) continue;
    SetPhase(entry, Phase::kReading);
    moves.push_back({.partition = partition, .next = entry.next});
  }
  return moves;
}

bool OffsetBook::Accepts(const TopicPartition& partition, std::int64_t offset) const {
  const auto found = entries_.find(partition);
  if (found == entries_.end() || found->second.phase != Phase::kReading) return false;
  return offset >= found->second.next.value_or(0);
}

void OffsetBook::Taken(const TopicPartition& partition, std::int64_t generation, std::int64_t offset) {
  const auto found = entries_.find(partition);
  if (found == entries_.end() || found->second.generation != generation) return;
  if (found->second.phase == Phase::kReading) found->second.next = offset + 1;
}

std::int64_t OffsetBook::GenerationOf(const TopicPartition& partition) const {
  const auto found = entries_.find(partition);
  return found == entries_.end() ? 0 : found->second.generation;
}

void OffsetBook::AtEnd(const TopicPartition& partition, std::int64_t offset) {
  const auto found = entries_.find(partition);
  if (found != entries_.end() && found->second.phase == Phase::kReading) found->second.seen_end = offset;
}

std::vector<OffsetBook::Move> OffsetBook::Positions() const {
  std::vector<Move> positions;
  positions.reserve(entries_.size());
  for (const auto& [partition, entry] : entries_) {
    const std::int64_t next = std::max(entry.next.value_or(-1), entry.seen_end);
    positions.push_back({.partition = partition, .next = next < 0 ? std::nullopt : std::optional(next)});
  }
  return positions;
}

void OffsetBook::Lose(const TopicPartition& partition) {
  const auto found = entries_.find(partition);
  if (found == entries_.end() || found->second.phase != Phase::kReading) return;
  SetPhase(found->second, Phase::kLost);
}

std::vector<Gap> OffsetBook::Lost() const {
  std::vector<Gap> gaps;
  for (const auto& [partition, entry] : entries_) {
    if (entry.phase != Phase::kLost) continue;
    gaps.push_back({.partition = partition, .generation = entry.generation, .wanted_next = entry.next.value_or(0)});
  }
  return gaps;
}

bool OffsetBook::MoveAgain(const TopicPartition& partition, std::int64_t generation) {
  const auto found = entries_.find(partition);
  if (found == entries_.end() || found->second.generation != generation) return false;
  if (found->second.phase != Phase::kLost || found->second.next.value_or(kLogEnd) != kLogEnd) return false;
  SetPhase(found->second, Phase::kMoving);
  return true;
}

void OffsetBook::Decide(const TopicPartition& partition, std::int64_t generation, std::int64_t next) {
  const auto found = entries_.find(partition);
  if (found == entries_.end() || found->second.generation != generation) return;
  if (found->second.phase != Phase::kLost) return;
  SetPhase(found->second, Phase::kMoving);
  found->second.next = next;
}

void OffsetBook::SetPhase(Entry& entry, Phase phase) {
  moving_ += (phase == Phase::kMoving) - (entry.phase == Phase::kMoving);
  entry.phase = phase;
  if (phase == Phase::kMoving) entry.seen_end = -1;  // Was seen by the reading before.
}

}  // namespace ev::kafka
