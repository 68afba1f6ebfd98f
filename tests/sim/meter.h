#ifndef EV_TESTS_SIM_METER_H_
#define EV_TESTS_SIM_METER_H_

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "domain/ids.h"
#include "services/engine/core/engine.h"
#include "tests/sim/event_loop.h"

namespace ev::sim {

// The hardware: a register that outlives the process, a contactor, a vehicle. Beside it stands the truth: what each
// session's vehicle has received.
class Meter {
 public:
  Meter(const EventLoop& loop, Random& random) : loop_(loop), random_(random), register_mwh_(random.Below(1'000'000)) {}

  engine::MeterReading Read() {
    Flow();
    return {.register_mwh = register_mwh_, .power_w = flows_ ? power_w_ : 0};
  }
  void Close(const SessionId& session, std::int64_t limit_register_mwh) {
    Flow();
    flows_ = true;
    ++closings_[session];
    session_ = session;
    since_ = loop_.now();
    from_mwh_ = register_mwh_;
    power_w_ = 3'000 + random_.Below(19'000);
    const std::int64_t full = from_mwh_ + random_.Below(150'000);
    is_full_first_ = full < limit_register_mwh;
    limit_mwh_ = std::max(from_mwh_, std::min(full, limit_register_mwh));
    opening_.reset();
  }
  // Also when the process dies.
  void Open() {
    Flow();
    flows_ = false;
    opening_.reset();
  }
  std::optional<engine::Opening> TakeOpening() {
    Flow();
    return std::exchange(opening_, std::nullopt);
  }

  // The truth.
  std::int64_t Received(const SessionId& session) const {
    const auto it = received_.find(session);
    return it == received_.end() ? 0 : it->second;
  }
  // How often the contactor was closed for a session.
  const std::map<SessionId, int>& closings() const { return closings_; }

 private:
  void Flow() {
    if (!flows_) return;
    const std::int64_t flowed = power_w_ * absl::ToInt64Milliseconds(loop_.now() - since_) / 3'600;
    const std::int64_t reached = std::min(from_mwh_ + flowed, limit_mwh_);
    received_[session_] += reached - register_mwh_;
    register_mwh_ = reached;
    if (reached < limit_mwh_) return;
    flows_ = false;
    opening_ = is_full_first_ ? engine::Opening::kVehicleFull : engine::Opening::kLimitReached;
  }

  const EventLoop& loop_;
  Random& random_;
  std::int64_t register_mwh_;
  bool flows_ = false;
  SessionId session_;
  absl::Duration since_;
  std::int64_t from_mwh_ = 0;
  std::int64_t limit_mwh_ = 0;
  std::int64_t power_w_ = 0;
  bool is_full_first_ = false;
  std::optional<engine::Opening> opening_;
  std::map<SessionId, std::int64_t> received_;
  std::map<SessionId, int> closings_;
};

}  // namespace ev::sim

#endif  // EV_TESTS_SIM_METER_H_
