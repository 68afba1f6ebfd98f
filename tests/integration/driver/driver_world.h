#ifndef EV_TESTS_INTEGRATION_DRIVER_DRIVER_WORLD_H_
#define EV_TESTS_INTEGRATION_DRIVER_DRIVER_WORLD_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "base/clock.h"
#include "base/mutex.h"
#include "evcharging/driver/v1/driver_service.grpc.pb.h"
#include "metrics/readiness.h"
#include "metrics/registry.h"
#include "rpc/server.h"
#include "services/driver/adapters/agent.h"
#include "services/driver/adapters/central_client.h"
#include "services/driver/adapters/driver_service.h"
#include "tests/integration/driver/fake_central.h"
#include "tests/support/eventually.h"

namespace ev::driver {

// Stands still until a test moves it. Thread-safe.
class ManualClock final : public Clock {
 public:
  Moment Now() const override {
    MutexLock lock(mutex_);
    return {.utc = absl::FromUnixSeconds(1'738'318'272) + time_, .monotonic = time_};
  }
  void Advance(absl::Duration by) {
    MutexLock lock(mutex_);
    time_ += by;
  }

 private:
  mutable Mutex mutex_;
  absl::Duration time_ ABSL_GUARDED_BY(mutex_) = absl::Hours(10);
};

// A whole driver but its console, behind its gRPC server, on a clock that the test moves.
class DriverWorld : public ::testing::Test {
 protected:
  static constexpr char kDriver[] = "driver_001";

  explicit DriverWorld(const AgentOptions& options = {});
  ~DriverWorld() override;

  // Until Central has heard the driver.
  void Connect();

  // Moves the clock in small steps, `limit` in all, until `condition()`; each step gets a little real time.
  template <typename Condition>
  bool PassUntil(absl::Duration limit, Condition condition) {
    for (absl::Duration left = limit; left > absl::ZeroDuration(); left -= absl::Milliseconds(100)) {
      if (Eventually(absl::Milliseconds(60), condition)) return true;
      clock_.Advance(absl::Milliseconds(100));
    }
    return Eventually(absl::Seconds(5), condition);
  }

  FakeCentral central_;
  ManualClock clock_;
  RandomIdSource ids_;
  metrics::Registry registry_{"test", "0"};
  metrics::Readiness readiness_{registry_, {Agent::kCondition}};
  CentralClient client_{{.target = central_.address()}};
  Agent agent_;
  rpc::LiveStreams streams_;
  std::unique_ptr<grpc::Service> service_;
  std::unique_ptr<rpc::Server> server_;
  std::unique_ptr<evcharging::driver::v1::DriverService::Stub> stub_;
};

}  // namespace ev::driver

#endif  // EV_TESTS_INTEGRATION_DRIVER_DRIVER_WORLD_H_
