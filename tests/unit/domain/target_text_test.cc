#include "domain/target_text.h"

#include <gmock/gmock.h>

#include "tests/support/status_matchers.h"

namespace ev {
namespace {

using ::testing::HasSubstr;

Target Parsed(absl::string_view text) {
  auto typed = ParseTarget(text);
  EV_EXPECT_OK(typed) << text;
  return typed.ok() ? typed->target : Target();
}

TEST(TargetTextTest, EnergyIsTakenExactly) {
  EXPECT_EQ(Parsed("10kWh"), Target(EnergyTarget{10'000'000}));
  EXPECT_EQ(Parsed("2.5KWH"), Target(EnergyTarget{2'500'000}));
  EXPECT_EQ(Parsed("0.000001kwh"), Target(EnergyTarget{1}));
  EXPECT_EQ(Parsed("500Wh"), Target(EnergyTarget{500'000}));
  EXPECT_EQ(Parsed("0.001Wh"), Target(EnergyTarget{1}));
}

TEST(TargetTextTest, MoneyKeepsItsCurrency) {
  const auto typed = ParseTarget("5.50eur");
  EV_ASSERT_OK(typed);
  EXPECT_EQ(typed->target, Target(AmountTarget{5'500'000}));
  EXPECT_EQ(typed->currency, "EUR");
  EXPECT_EQ(ParseTarget("10kWh")->currency, "");
}

TEST(TargetTextTest, TimeIsWrittenAsPeopleDo) {
  EXPECT_EQ(Parsed("30min"), Target(DurationTarget{absl::Minutes(30)}));
  EXPECT_EQ(Parsed("90s"), Target(DurationTarget{absl::Seconds(90)}));
  EXPECT_EQ(Parsed("1h30m"), Target(DurationTarget{absl::Minutes(90)}));
}

TEST(TargetTextTest, NonsenseIsRefusedWithExamples) {
  for (const char* text : {"", "10", "kWh", "EUR", ".kWh", "1.2.3kWh", "-5kWh", "5 kWh", "1e3kWh", "0.0000001kWh",
                           "0.0000001EUR", "99999999999999999999kWh", "10kW", "5EURO", "\xff"}) {
    EXPECT_THAT(ParseTarget(text), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("examples: 10kWh"))) << text;
  }
}

TEST(TargetTextTest, ATargetOutsideTheLimitsIsRefused) {
  for (const char* text : {"0kWh", "0EUR", "0s", "-5s", "10001kWh", "10000001EUR", "169h", "inf"}) {
    EXPECT_THAT(ParseTarget(text), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is outside"))) << text;
  }
}

}  // namespace
}  // namespace ev
