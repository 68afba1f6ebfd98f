#include "domain/money.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <type_traits>

#include "domain/fact.h"
#include "domain/session.h"
#include "tests/support/status_matchers.h"

namespace ev {
namespace {

using ::testing::HasSubstr;

// B20
TEST(MoneyTest, AnAmountIsRoundedHalfUpOnce) {
  EXPECT_EQ(AmountMicros(1, 499'999), 0);
  EXPECT_EQ(AmountMicros(1, 500'000), 1);
  EXPECT_EQ(AmountMicros(1, 1'499'999), 1);
  EXPECT_EQ(AmountMicros(3, 500'000), 2);  // 1.5
  EXPECT_EQ(AmountMicros(5, 500'000), 3);  // 2.5: half up, not to even
  EXPECT_EQ(AmountMicros(0, 350'000), 0);
  EXPECT_EQ(AmountMicros(1'234'567, 350'000), 432'098);  // 432098.45
}

template <typename... T>
constexpr bool kAre64Bits = (std::is_same_v<T, std::int64_t> && ...);

// B124
TEST(MoneyTest, WhatIsBilledIs64BitsWide) {
  static_assert(kAre64Bits<decltype(Ticket::amount_micros), decltype(Ticket::energy_mwh)>);
  static_assert(kAre64Bits<decltype(Session::amount_micros), decltype(Session::energy_mwh),
                           decltype(Session::register_start_mwh)>);
  static_assert(kAre64Bits<decltype(Fact::amount_micros), decltype(Fact::energy_mwh), decltype(Fact::register_mwh)>);
  static_assert(kAre64Bits<decltype(EnergyTarget::energy_mwh), decltype(AmountTarget::amount_micros)>);
  static_assert(kAre64Bits<decltype(Price::micros_per_kwh), decltype(AmountMicros(1, 1))>);
}

// B124
TEST(MoneyTest, TheWidestProductDoesNotOverflow) {
  EXPECT_EQ(AmountMicros(kMaxSessionEnergyMwh, kMaxPriceMicrosPerKwh), kMaxAmountMicros);
  EXPECT_EQ(EnergyWithinAmountMwh(kMaxAmountMicros, kMaxPriceMicrosPerKwh), kMaxSessionEnergyMwh);
  EXPECT_EQ(EnergyWithinAmountMwh(kMaxAmountMicros, 1), kMaxSessionEnergyMwh);
}

// B13
TEST(MoneyTest, EnergyWithinAnAmountNeverExceedsItAndOneMwhMoreWould) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 100'000; ++i) {
    // Small and large figures alike.
    const std::int64_t price = static_cast<std::int64_t>(random() % kMaxPriceMicrosPerKwh >> random() % 30) + 1;
    const std::int64_t amount = static_cast<std::int64_t>(random() % kMaxAmountMicros >> random() % 43) + 1;
    const std::int64_t energy = EnergyWithinAmountMwh(amount, price);
    ASSERT_GE(energy, 0);
    ASSERT_LE(energy, kMaxSessionEnergyMwh);
    ASSERT_LE(AmountMicros(energy, price), amount) << energy << " mWh at " << price;
    if (energy < kMaxSessionEnergyMwh) {
      ASSERT_GT(AmountMicros(energy + 1, price), amount) << energy << " mWh at " << price;
    }
  }
}

TEST(MoneyTest, FreeEnergyIsOnlyBoundByWhatASessionMayTake) {
  EXPECT_EQ(AmountMicros(kMaxSessionEnergyMwh, 0), 0);
  EXPECT_EQ(EnergyWithinAmountMwh(1, 0), kMaxSessionEnergyMwh);
}

// B160
TEST(MoneyTest, APriceOutOfRangeOrACurrencyThatIsNoneIsRefused) {
  EXPECT_THAT(CheckPrice({350'000, "EUR"}), IsOk());
  EXPECT_THAT(CheckPrice({0, "EUR"}), IsOk());
  EXPECT_THAT(CheckPrice({kMaxPriceMicrosPerKwh, "EUR"}), IsOk());
  EXPECT_THAT(CheckPrice({-1, "EUR"}), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("-1")));
  EXPECT_THAT(CheckPrice({kMaxPriceMicrosPerKwh + 1, "EUR"}), StatusIs(absl::StatusCode::kInvalidArgument));
  for (const char* currency : {"", "EU", "EURO", "eur", "E1R"}) {
    EXPECT_THAT(CheckPrice({1, currency}), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("currency")))
        << currency;
  }
}

}  // namespace
}  // namespace ev
