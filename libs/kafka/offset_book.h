#ifndef EV_KAFKA_OFFSET_BOOK_H_
#define EV_KAFKA_OFFSET_BOOK_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "events/subscriber.h"

namespace ev::kafka {

// Where the reading of each partition stands: what is wanted next, what has to be moved, what the log has lost. Pure.
//
// A partition is moving (the log was not told yet where to read: nothing that arrives counts), reading, or lost (the
// log does not hold what is wanted, or may be another one, and the owner has not decided yet).
class OffsetBook {
 public:
  // A partition that has to be read from `next` (without one: from the log's start).
  struct Move {
    TopicPartition partition;
    std::optional<std::int64_t> next;
  };

  // InvalidArgument for a partition that is there already, an empty topic, or a number below zero (but kLogEnd).
  absl::Status Add(const TopicPartitionOffset& position);

  // The partition begins to move. Returns its new generation; NotFound for an unknown one.
  absl::StatusOr<std::int64_t> Rewind(const TopicPartition& partition, std::optional<std::int64_t> next);

  // The partitions that are moving: the caller has told the log of all of them when the next message is taken.
  std::vector<Move> TakeMoves();
  bool HasMoves() const { return moving_ > 0; }

  // Whether a message that arrives counts: it does not before a move is done, nor below what is wanted.
  bool Accepts(const TopicPartition& partition, std::int64_t offset) const;
  // The owner has taken everything up to and including `offset`, which it was given in `generation`.
  void Taken(const TopicPartition& partition, std::int64_t generation, std::int64_t offset);
  std::int64_t GenerationOf(const TopicPartition& partition) const;

  // The log was read up to its end, `offset`. Changes nothing of what is wanted and what counts.
  void AtEnd(const TopicPartition& partition, std::int64_t offset);
  // How far each partition was read: below `next` nothing is left. None before anything was learned about one that
  // begins at its log's start or end.
  std::vector<Move> Positions() const;

  // The log does not hold what is wanted, or what it holds must not be taken yet. Nothing happens while the partition
  // is moving: that was about the past.
  void Lose(const TopicPartition& partition);
  // The lost partitions, with what is wanted; `low` and `high` are not known here.
  std::vector<Gap> Lost() const;
  // A partition that was lost in `generation` before anything of it was taken moves to its log's start or end again;
  // false: an offset is wanted, or it is not lost.
  bool MoveAgain(const TopicPartition& partition, std::int64_t generation);
  // The owner has decided for a partition that was lost in `generation`: it moves to `next`, in the same generation.
  void Decide(const TopicPartition& partition, std::int64_t generation, std::int64_t next);

 private:
  enum class Phase { kMoving, kReading, kLost };
  struct Entry {
    Phase phase = Phase::kMoving;
    std::optional<std::int64_t> next;
    std::int64_t generation = 0;
    std::int64_t seen_end = -1;  // Beyond `next` when the log's last records are not for readers.
  };

  void SetPhase(Entry& entry, Phase phase);

  absl::flat_hash_map<TopicPartition, Entry> entries_;
  int moving_ = 0;
};

}  // namespace ev::kafka

#endif  // EV_KAFKA_OFFSET_BOOK_H_
