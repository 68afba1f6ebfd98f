#ifndef EV_SERVICES_DRIVER_CORE_REQUEST_LIST_H_
#define EV_SERVICES_DRIVER_CORE_REQUEST_LIST_H_

#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "services/driver/core/charge.h"
#include "services/driver/core/effects.h"

namespace ev::driver {

// Requests of one driver, one after the other, with a pause after each conclusion, whatever it was. All times are
// monotonic. Decides only when: whoever owns it asks, and tells it how that ended.
class RequestList {
 public:
  struct Plan {
    std::vector<CpId> cps;  // At least one.
    absl::Duration pause = absl::Seconds(4);
    absl::Duration limit = absl::InfiniteDuration();  // For one charge, from its request to its conclusion.
  };

  explicit RequestList(Plan plan);

  // The charging point to ask now, if it is time: then one request counts as begun.
  std::optional<CpId> TakeNext(absl::Duration now);
  // The charge at hand has taken longer than the limit: Conclude() it, it goes on by itself.
  bool IsOverdue(absl::Duration now) const;
  // The charge at hand has ended.
  void Conclude(absl::Duration now, const Conclusion& conclusion);
  // No more requests. A charge at hand goes on; the list is done with its conclusion.
  void Cancel();

  bool is_done() const { return !busy_ && (cancelled_ || begun_ == static_cast<int>(plan_.cps.size())); }
  // Some charging points were left out.
  bool was_cut() const { return cancelled_ && begun_ < static_cast<int>(plan_.cps.size()); }
  const Plan& plan() const { return plan_; }
  ListProgress progress() const;

 private:
  Plan plan_;
  int begun_ = 0;
  bool busy_ = false;
  bool cancelled_ = false;
  absl::Duration next_at_ = -absl::InfiniteDuration();  // No request before it.
  absl::Duration begun_at_;
  ListProgress counts_;
};

}  // namespace ev::driver

#endif  // EV_SERVICES_DRIVER_CORE_REQUEST_LIST_H_
