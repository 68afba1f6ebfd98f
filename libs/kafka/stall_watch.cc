#include "kafka/stall_watch.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace ev::kafka {

void StallWatch::Look(absl::Span<const Position> positions) {
  // What could not be seen has not moved either, unless this look shows it.
  const int looks = 1 + std::exchange(failed_looks_, 0);
  for (const Position& position : positions) {
    Entry& entry = entries_[position.partition];
    const bool is_behind = !position.next.has_value() || *position.next < position.log_end;
    const bool has_moved = entry.next != position.next;
    entry.looks = is_behind && !has_moved ? std::min(entry.looks + looks, patience_) : 0;
    entry.next = position.next;
  }
}

void StallWatch::LookFailed(absl::string_view why) {
  failed_looks_ = std::min(failed_looks_ + 1, patience_);
  failure_ = std::string(why);
}

void StallWatch::Pause() {
  const auto forget = [this](int& looks) {
    if (looks < patience_) looks = 0;
  };
  forget(failed_looks_);
  for (auto& [partition, entry] : entries_) forget(entry.looks);
}

std::string StallWatch::Reason() const {
  if (failed_looks_ >= patience_) return absl::StrCat("the ends of the partitions cannot be learned: ", failure_);
  std::string reason;
  int more = 0;
  for (const auto& [partition, entry] : entries_) {
    if (entry.looks < patience_) continue;
    if (!reason.empty()) {
      ++more;
      continue;
    }
    reason = absl::StrCat(partition.topic, "[", partition.partition, "] ");
    if (entry.next.has_value()) {
      absl::StrAppend(&reason, "stays at offset ", *entry.next, " although the log holds more");
    } else {
      absl::StrAppend(&reason, "was never read");
    }
  }
  if (more > 0) absl::StrAppend(&reason, " (and ", more, " more)");
  return reason;
}

}  // namespace ev::kafka
