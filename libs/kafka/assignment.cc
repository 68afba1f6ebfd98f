#include "kafka/assignment.h"

#include <vector>

namespace ev::kafka {

// Taken out and assigned anew rather than sought: a partition that librdkafka has given up after an offset out of range
// refuses to seek.
absl::Status Assignment::Move(Moves moves, Change unassign, Change assign) {
  std::vector<OffsetBook::Move> leaving;
  for (const OffsetBook::Move& move : moves) {
    if (assigned_.contains(move.partition)) leaving.push_back(move);
  }
  if (!leaving.empty()) {
    if (absl::Status status = unassign(leaving); !status.ok()) return status;
    for (const OffsetBook::Move& move : leaving) assigned_.erase(move.partition);
  }
  if (moves.empty()) return absl::OkStatus();
  if (absl::Status status = assign(moves); !status.ok()) return status;
  for (const OffsetBook::Move& move : moves) assigned_.insert(move.partition);
  return absl::OkStatus();
}

}  // namespace ev::kafka
