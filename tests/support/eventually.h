#ifndef EV_TESTS_SUPPORT_EVENTUALLY_H_
#define EV_TESTS_SUPPORT_EVENTUALLY_H_

#include <chrono>
#include <thread>

#include "absl/time/time.h"

namespace ev {

// Whether `condition()` becomes true before `limit` has passed: EXPECT_TRUE(Eventually(absl::Seconds(5), [&] {...})).
// The one place where a test polls; where a callback can tell, wait on absl::Notification with its timeout instead.
template <typename Condition>
bool Eventually(absl::Duration limit, Condition condition) {
  const auto end = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(limit);
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= end) return condition();
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

}  // namespace ev

#endif  // EV_TESTS_SUPPORT_EVENTUALLY_H_
