// The cores of Central, Engine, Monitor and Driver in one thread, under a storm of failures: what must be billed is
// billed, and its driver is shown it.
//
//     EV_SIM_SEED=17 replays one run · EV_SIM_SEEDS=2000 runs that many · EV_SIM_FIRST=1000 begins there

#include "tests/sim/world.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <string>

namespace ev::sim {
namespace {

std::uint64_t FromEnvironment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr || *text == '\0' ? otherwise : std::stoull(text);
}

// B5 B7 B12 B13 B15 B17 B55 B57 B59 B65 B76 B91 B94 B95 B115 B120 B152
TEST(WorldTest, EverySessionThatReceivedEnergyHasExactlyOneTicketWithTheMetersFigureWhateverFails) {
  const std::uint64_t one = FromEnvironment("EV_SIM_SEED", 0);
  const std::uint64_t first = one != 0 ? one : FromEnvironment("EV_SIM_FIRST", 1);
  const std::uint64_t count = one != 0 ? 1 : FromEnvironment("EV_SIM_SEEDS", 200);
  std::cout << "seeds " << first << " .. " << first + count - 1 << std::endl;
  Tally sum;
  int bad = 0;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    World world(seed);
    world.Run();
    sum.Add(world.tally());
    for (const std::string& wrong : world.wrong()) ADD_FAILURE() << "EV_SIM_SEED=" << seed << ": " << wrong;
    if (!world.wrong().empty() && ++bad == 5) FAIL() << "five bad seeds are enough";
  }
  std::cout << sum.events << " events, " << sum.asked << " requests, " << sum.tickets << " tickets over "
            << sum.energy_mwh / 1'000'000 << " kWh, " << sum.denials << " denials, " << sum.unconfirmed
            << " unconfirmed, " << sum.expired << " expired, " << sum.recovered << " recovered\n"
            << sum.central_crashes << " crashes of Central, " << sum.engine_crashes << " of Engines ("
            << sum.ended[EndReason::kEngineRestarted] << " cut charges), " << sum.monitor_crashes << " of Monitors, "
            << sum.cuts << " cut streams, " << sum.gaps << " gaps\n"
            << sum.driver_crashes << " crashes of Drivers, " << sum.driver_cuts << " cut watches, "
            << sum.driver_repeats << " requests sent again, " << sum.driver_fetches << " sessions fetched, "
            << sum.lists << " lists, " << sum.tickets_shown << " tickets shown\n"
            << sum.produced << " messages, " << sum.duplicates << " repeats, " << sum.late_samples << " late samples, "
            << sum.produced_twice << " not acknowledged, " << sum.produced_after_outage << " after an outage, "
            << sum.started_without_kafka << " charges started in one, " << sum.failed_commits << " failed commits, "
            << sum.changed_prices << " changed prices, " << sum.strangers_refused << " strangers refused, "
            << sum.manual << " sessions asked for at the point, " << sum.forged << " forged facts\nended by";
  for (const auto& [reason, charges] : sum.ended) std::cout << " " << Name(reason) << " " << charges;
  std::cout << std::endl;
  if (count < 100) return;
  // Something has happened, of every kind.
  const auto n = static_cast<std::int64_t>(count);
  EXPECT_GT(sum.tickets, 5 * n);
  EXPECT_GT(sum.tickets_shown, 5 * n);
  for (const EndReason reason :
       {EndReason::kUnplugged, EndReason::kDriverStop, EndReason::kTargetReached, EndReason::kOperatorStop,
        EndReason::kFault, EndReason::kMonitorLost, EndReason::kVehicleFull, EndReason::kEngineRestarted}) {
    EXPECT_GT(sum.ended[reason], n / 10) << Name(reason);
  }
  for (const std::int64_t some : {sum.denials,
                                  sum.unconfirmed,
                                  sum.expired,
                                  sum.central_crashes,
                                  sum.engine_crashes,
                                  sum.monitor_crashes,
                                  sum.cuts,
                                  sum.gaps,
                                  sum.duplicates,
                                  sum.late_samples,
                                  sum.produced_twice,
                                  sum.produced_after_outage,
                                  sum.started_without_kafka,
                                  sum.failed_commits,
                                  sum.changed_prices,
                                  sum.strangers_refused,
                                  sum.manual,
                                  sum.forged,
                                  sum.driver_crashes,
                                  sum.driver_cuts,
                                  sum.driver_repeats,
                                  sum.driver_fetches,
                                  sum.lists}) {
    EXPECT_GT(some, n / 10);
  }
}

// B184
TEST(WorldTest, TheSameSeedIsTheSameRun) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    World one(seed);
    one.Run();
    World other(seed);
    other.Run();
    EXPECT_EQ(one.tally().digest, other.tally().digest) << "EV_SIM_SEED=" << seed;
    EXPECT_EQ(one.tally().events, other.tally().events) << "EV_SIM_SEED=" << seed;
  }
}

}  // namespace
}  // namespace ev::sim
