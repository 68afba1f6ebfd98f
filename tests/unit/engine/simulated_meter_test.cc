#include "services/engine/adapters/simulated_meter.h"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ev::engine {
namespace {

class SimulatedMeterTest : public ::testing::Test {
 protected:
  std::unique_ptr<SimulatedMeter> Open(SimulatedVehicle vehicle = {}) {
    auto meter = SimulatedMeter::Open(path, vehicle);
    EXPECT_THAT(meter, IsOk());
    return meter.ok() ? *std::move(meter) : nullptr;
  }
  static Moment At(absl::Duration monotonic) { return {.utc = absl::UnixEpoch(), .monotonic = monotonic}; }

  TempDir dir;
  std::string path = dir.File("meter");
  static constexpr std::int64_t kFar = 1'000'000'000;
};

TEST_F(SimulatedMeterTest, EnergyIsPowerTimesTimeInIntegersHoweverOftenItIsRead) {
  auto meter = Open({.power_w = 11'000, .full_after = absl::Hours(10)});
  meter->CloseContactor(At(absl::ZeroDuration()), kFar);
  for (int i = 1; i <= 1000; ++i) (void)meter->Read(At(absl::Milliseconds(37) * i));
  const MeterReading reading = meter->Read(At(absl::Seconds(37)));
  EXPECT_EQ(reading.register_mwh, 11'000 * 37 * 10 / 36);
  EXPECT_EQ(reading.power_w, 11'000);
}

TEST_F(SimulatedMeterTest, NothingFlowsBeforeItIsClosedAndAfterItIsOpened) {
  auto meter = Open();
  EXPECT_EQ(meter->Read(At(absl::Seconds(10))).register_mwh, 0);
  meter->CloseContactor(At(absl::Seconds(10)), kFar);
  const MeterReading opened = meter->OpenContactor(At(absl::Seconds(11)));
  EXPECT_EQ(opened.register_mwh, 3055);
  EXPECT_EQ(opened.power_w, 0);
  EXPECT_EQ(meter->Read(At(absl::Seconds(50))).register_mwh, 3055);
  EXPECT_FALSE(meter->TakeOpening(At(absl::Seconds(50))).has_value());
}

TEST_F(SimulatedMeterTest, TheContactorOpensAtTheExactLimitHoweverLateItIsNoticed) {
  auto meter = Open();
  meter->CloseContactor(At(absl::ZeroDuration()), 2345);
  const MeterReading reading = meter->Read(At(absl::Seconds(30)));
  EXPECT_EQ(reading.register_mwh, 2345);
  EXPECT_EQ(reading.power_w, 0);
  EXPECT_EQ(meter->TakeOpening(At(absl::Seconds(30))), Opening::kLimitReached);
  EXPECT_FALSE(meter->TakeOpening(At(absl::Seconds(30))).has_value()) << "told once";
}

TEST_F(SimulatedMeterTest, AFullVehicleOpensIt) {
  auto meter = Open({.power_w = 3600, .full_after = absl::Seconds(10)});
  meter->CloseContactor(At(absl::ZeroDuration()), kFar);
  EXPECT_FALSE(meter->TakeOpening(At(absl::Milliseconds(9999))).has_value());
  EXPECT_EQ(meter->TakeOpening(At(absl::Seconds(11))), Opening::kVehicleFull);
  EXPECT_EQ(meter->Read(At(absl::Seconds(11))).register_mwh, 10'000);
}

TEST_F(SimulatedMeterTest, AFasterClockMovesTheSameEnergyInLessTime) {
  auto meter = Open({.power_w = 3600, .full_after = absl::Seconds(60), .speed = 20});
  meter->CloseContactor(At(absl::ZeroDuration()), kFar);
  EXPECT_EQ(meter->Read(At(absl::Seconds(1))).register_mwh, 20'000);
  EXPECT_EQ(meter->TakeOpening(At(absl::Seconds(4))), Opening::kVehicleFull);
  EXPECT_EQ(meter->Read(At(absl::Seconds(4))).register_mwh, 60'000);
}

TEST_F(SimulatedMeterTest, TheRegisterGoesOnWhereItStood) {
  auto meter = Open();
  meter->CloseContactor(At(absl::ZeroDuration()), 500);
  (void)meter->Read(At(absl::Seconds(1)));
  meter.reset();
  meter = Open();
  EXPECT_EQ(meter->Read(At(absl::ZeroDuration())).register_mwh, 500);
  meter->CloseContactor(At(absl::ZeroDuration()), 700);
  EXPECT_EQ(meter->Read(At(absl::Seconds(1))).register_mwh, 700);
}

TEST_F(SimulatedMeterTest, TheRegisterSurvivesSigkillAndTheContactorIsOpenAfterwards) {
  const pid_t child = ::fork();
  if (child == 0) {
    auto meter = SimulatedMeter::Open(path, {});
    (*meter)->CloseContactor(At(absl::ZeroDuration()), kFar);
    (void)(*meter)->Read(At(absl::Seconds(1)));
    ::raise(SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  auto meter = Open();
  EXPECT_EQ(meter->Read(At(absl::Seconds(100))).register_mwh, 3055);
  EXPECT_EQ(meter->Read(At(absl::Seconds(200))).power_w, 0);
}

TEST_F(SimulatedMeterTest, AFileThatIsNoRegisterIsRefusedAndLeftAlone) {
  for (const std::string& content : {std::string("hello"), std::string(16, 'x')}) {
    WriteFile(path, content);
    EXPECT_THAT(SimulatedMeter::Open(path, {}), StatusIs(absl::StatusCode::kDataLoss));
    EXPECT_EQ(ReadFile(path), content);
  }
}

TEST_F(SimulatedMeterTest, AFileThatCannotBeMadeIsSaid) {
  EXPECT_THAT(SimulatedMeter::Open(dir.File("no/such/dir"), {}), StatusIs(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace ev::engine
