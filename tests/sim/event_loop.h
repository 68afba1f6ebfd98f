#ifndef EV_TESTS_SIM_EVENT_LOOP_H_
#define EV_TESTS_SIM_EVENT_LOOP_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <queue>
#include <utility>
#include <vector>

#include "absl/time/time.h"

namespace ev::sim {

// splitmix64 (Steele, Lea, Flood 2014): the same everywhere, unlike the distributions of <random>.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t Next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  // In [0, n).
  std::int64_t Below(std::int64_t n) { return static_cast<std::int64_t>(Next() % static_cast<std::uint64_t>(n)); }
  bool Chance(int percent) { return Below(100) < percent; }
  absl::Duration Between(absl::Duration low, absl::Duration high) {
    return low + absl::Microseconds(Below(absl::ToInt64Microseconds(high - low) + 1));
  }
  template <typename T>
  const T& Of(const std::vector<T>& choices) {
    return choices[static_cast<std::size_t>(Below(static_cast<std::int64_t>(choices.size())))];
  }

 private:
  std::uint64_t state_;
};

// A process lives as long as it holds its Life; what was planned for it ends with it.
using Life = std::shared_ptr<int>;

// Time, and everything that happens in it, in one thread. Events of one instant run in the order of their planning.
class EventLoop {
 public:
  absl::Duration now() const { return now_; }

  void After(absl::Duration delay, std::function<void()> action) {
    events_.push({now_ + delay, next_++, std::move(action)});
  }
  void After(const Life& life, absl::Duration delay, std::function<void()> action) {
    After(delay, [alive = std::weak_ptr<int>(life), action = std::move(action)] {
      if (!alive.expired()) action();
    });
  }
  // Runs `action` again and again, `pause()` apart.
  void Every(const Life& life, std::function<absl::Duration()> pause, std::function<void()> action) {
    const absl::Duration first = pause();
    After(life, first, [this, alive = std::weak_ptr<int>(life), pause = std::move(pause), action = std::move(action)] {
      action();
      if (const Life still = alive.lock()) Every(still, pause, action);
    });
  }

  // Returns how many events ran.
  std::int64_t RunUntil(absl::Duration end) {
    std::int64_t count = 0;
    while (!events_.empty() && events_.top().at <= end) {
      const Event event = events_.top();
      events_.pop();
      now_ = event.at;
      event.action();
      ++count;
    }
    now_ = end;
    return count;
  }

 private:
  struct Event {
    absl::Duration at;
    std::int64_t number;
    std::function<void()> action;

    bool operator<(const Event& other) const {
      return at != other.at ? at > other.at : number > other.number;  // The queue's top is its largest.
    }
  };

  absl::Duration now_;
  std::int64_t next_ = 0;
  std::priority_queue<Event> events_;
};

}  // namespace ev::sim

#endif  // EV_TESTS_SIM_EVENT_LOOP_H_
