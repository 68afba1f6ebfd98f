#include "events/murmur2.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <utility>

namespace ev {
namespace {

// From the Java client's own test of Utils.murmur2.
TEST(Murmur2Test, EqualsTheJavaClientBitForBit) {
  const std::pair<std::string, std::int32_t> kVectors[] = {
      {"21", -973932308},
      {"foobar", -790332482},
      {"a-little-bit-long-string", -985981536},
      {"a-little-bit-longer-string", -1486304829},
      {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
      {"abc", 479470107},
  };
  for (const auto& [key, hash] : kVectors) EXPECT_EQ(static_cast<std::int32_t>(Murmur2(key)), hash) << key;
}

TEST(Murmur2Test, ANegativeHashLosesItsSignBitAndNotItsSign) {
  // toPositive(-973932308) = 1173551340; the absolute value would lead to 973932308 % 12 = 8.
  EXPECT_EQ(PartitionFor("21", 12), 1173551340 % 12);
  EXPECT_EQ(PartitionFor("abc", 12), 479470107 % 12);
}

TEST(Murmur2Test, BytesAboveAsciiCountAsUnsigned) {
  // From Utils.murmur2 of Kafka 4.2.0, of the UTF-8 of three letters beyond ASCII.
  EXPECT_EQ(static_cast<std::int32_t>(Murmur2("\xc3\xbc\xc3\x9f\xe2\x82\xac")), 1555320969);
}

TEST(Murmur2Test, OnePartitionTakesEveryKey) {
  for (int i = 0; i < 100; ++i) EXPECT_EQ(PartitionFor("cp_" + std::to_string(i), 1), 0);
}

}  // namespace
}  // namespace ev
