#include "services/driver/core/request_list.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace ev::driver {

RequestList::RequestList(Plan plan) : plan_(std::move(plan)) {
  assert(!plan_.cps.empty());
}

std::optional<CpId> RequestList::TakeNext(absl::Duration now) {
  if (busy_ || is_done() || now < next_at_) return std::nullopt;
  busy_ = true;
  begun_at_ = now;
  return plan_.cps[static_cast<std::size_t>(begun_++)];
}

bool RequestList::IsOverdue(absl::Duration now) const {
  return busy_ && now - begun_at_ >= plan_.limit;
}

void RequestList::Conclude(absl::Duration now, const Conclusion& conclusion) {
  assert(busy_);
  busy_ = false;
  next_at_ = now + plan_.pause;
  if (std::holds_alternative<Denial>(conclusion)) {
    ++counts_.denied;
  } else if (IsSuccess(conclusion)) {
    ++counts_.completed;
  } else {
    ++counts_.failed;
  }
}

void RequestList::Cancel() {
  cancelled_ = true;
}

ListProgress RequestList::progress() const {
  ListProgress progress = counts_;
  progress.index = std::max(begun_ - 1, 0);
  progress.total = static_cast<int>(plan_.cps.size());
  progress.cp = plan_.cps[static_cast<std::size_t>(progress.index)];
  return progress;
}

}  // namespace ev::driver
