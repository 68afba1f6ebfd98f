#ifndef EV_TESTS_UNIT_DRIVER_DRIVERS_TEST_BASE_H_
#define EV_TESTS_UNIT_DRIVER_DRIVERS_TEST_BASE_H_

#include <gmock/gmock.h>

#include <algorithm>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/error_detail.h"
#include "base/id_source.h"
#include "services/driver/core/drivers.h"
#include "tests/support/status_matchers.h"

namespace ev::driver {

inline const DriverId kDriver("driver_001");
inline const CpId kPoint("cp_001");

inline SessionId Id(int number) {
  return SessionId(std::string(31, '0') + std::to_string(number));
}

inline Charge Session(int number, SessionState state, std::int64_t revision) {
  Charge charge{.id = Id(number),
                .cp = kPoint,
                .driver = kDriver,
                .state = state,
                .price = {.micros_per_kwh = 350'000, .currency = "EUR"},
                .revision = {.incarnation = 1, .counter = revision}};
  if (state == SessionState::kCompleted) {
    charge.ticket = Ticket{.session = charge.id, .cp = kPoint, .end_reason = EndReason::kVehicleFull};
  }
  if (state == SessionState::kDenied) charge.denial = Denial{.reason = "POINT_BUSY", .text = "busy"};
  return charge;
}

inline absl::Status Refusal(absl::string_view reason, int session = 0) {
  ErrorDetail detail{.reason = std::string(reason)};
  if (session != 0) detail.metadata["session_id"] = Id(session).value();
  return WithDetail(absl::FailedPreconditionError("no"), detail);
}

inline const absl::Status kRefused = absl::UnavailableError("connection refused");

// Pauses between attempts that begin short and come to stay long.
MATCHER(FromShortToLong, "are from 100 to 200 ms at first and from 2.5 to 5 s at the end") {
  const auto is_long = [](absl::Duration pause) { return pause >= absl::Seconds(2.5) && pause <= absl::Seconds(5); };
  return arg.size() > 10 && arg.front() >= absl::Milliseconds(100) && arg.front() <= absl::Milliseconds(200) &&
         std::all_of(arg.begin() + 10, arg.end(), is_long);
}

// One driver, whose Central is the test.
class DriversTest : public ::testing::Test {
 protected:
  Moment Now() const { return {.utc = absl::UnixEpoch() + now_, .monotonic = now_}; }

  // Ticks as an adapter does, ten times a second.
  void Pass(absl::Duration time) {
    for (const absl::Duration end = now_ + time; now_ < end;) {
      now_ += absl::Milliseconds(100);
      core_.Tick(Now(), out_);
    }
  }

  // Takes the effects of one kind out of what is waiting.
  template <typename T>
  std::vector<T> Drain() {
    std::vector<T> found;
    Effects rest;
    for (Effect& effect : out_) {
      if (auto* wanted = std::get_if<T>(&effect)) {
        found.push_back(std::move(*wanted));
      } else {
        rest.push_back(std::move(effect));
      }
    }
    out_ = std::move(rest);
    return found;
  }

  // How long passes before each of the next `count` effects of a kind, when each one, the waiting one first, is
  // answered with `refuse`.
  template <typename T, typename Refuse>
  std::vector<absl::Duration> Pauses(std::size_t count, Refuse refuse) {
    for (const T& waiting : Drain<T>()) refuse(waiting);
    std::vector<absl::Duration> pauses;
    for (absl::Duration last = now_; pauses.size() < count && now_ - last < absl::Minutes(1);) {
      Pass(absl::Milliseconds(100));
      for (const T& again : Drain<T>()) {
        pauses.push_back(now_ - std::exchange(last, now_));
        refuse(again);
      }
    }
    EXPECT_EQ(pauses.size(), count);
    return pauses;
  }

  WatchId Watch() {
    const auto opened = Drain<OpenWatch>();
    EXPECT_EQ(opened.size(), 1u);
    return opened.empty() ? WatchId() : opened.back().watch;
  }

  WatchId Redialled() {
    for (int i = 0; i < 100; ++i) {
      Pass(absl::Milliseconds(100));
      if (const auto opened = Drain<OpenWatch>(); !opened.empty()) return opened.back().watch;
    }
    ADD_FAILURE() << "no stream was opened for 10 s";
    return WatchId();
  }

  // The driver is followed and Central answers.
  void Connect() {
    EV_ASSERT_OK(core_.Follow(Now(), kDriver, out_));
    core_.Pin(kDriver);
    watch_ = Watch();
    core_.OnWatchSnapshot(Now(), kDriver, watch_, out_);
    EXPECT_EQ(Drain<Settled>().size(), 1u);
  }

  CallId Start(bool to_the_end = false) {
    auto call = core_.Start(Now(), {.driver = kDriver, .cp = kPoint, .to_the_end = to_the_end}, out_);
    EV_EXPECT_OK(call);
    return call.value_or(CallId());
  }

  void News(Charge charge) { core_.OnWatchCharge(Now(), kDriver, watch_, std::move(charge), out_); }

  std::vector<SessionState> ToldStates() {
    std::vector<SessionState> states;
    for (const Told& told : Drain<Told>()) {
      if (const auto* change = std::get_if<ChargeChange>(&told.event)) states.push_back(change->charge.state);
    }
    return states;
  }

  std::vector<std::string> ToldNotices() {
    std::vector<std::string> notices;
    for (const Told& told : Drain<Told>()) {
      if (const auto* notice = std::get_if<Notice>(&told.event)) notices.push_back(notice->text);
    }
    return notices;
  }

  absl::Duration now_ = absl::Hours(100);
  RandomIdSource ids_{7};
  Drivers core_{DriversConfig{}, ids_};
  Effects out_;
  WatchId watch_;
};

}  // namespace ev::driver

#endif  // EV_TESTS_UNIT_DRIVER_DRIVERS_TEST_BASE_H_
