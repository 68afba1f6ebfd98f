#include "dedup/message_id_lru.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <random>
#include <unordered_map>
#include <vector>

namespace ev::dedup {
namespace {

// Distinct ids for distinct numbers: the worst kind, with nearly all bits alike.
MessageId Id(std::uint64_t number) {
  MessageId id;
  std::memcpy(id.bytes.data() + 8, &number, sizeof(number));
  return id;
}

MessageIdLru Remembering(std::size_t window, std::uint64_t first, std::uint64_t count) {
  MessageIdLru lru(window, /*seed=*/1);
  for (std::uint64_t i = 0; i < count; ++i) lru.Insert(Id(first + i));
  return lru;
}

TEST(MessageIdLruTest, AnIdIsUnknownUntilItWasInserted) {
  MessageIdLru lru(4, /*seed=*/1);
  EXPECT_FALSE(lru.Contains(Id(1)));
  EXPECT_FALSE(lru.Contains(Id(1)));  // A question is no insertion: a message that failed must pass again.
  lru.Insert(Id(1));
  EXPECT_TRUE(lru.Contains(Id(1)));
  EXPECT_FALSE(lru.Contains(Id(2)));
}

TEST(MessageIdLruTest, CheckAndInsertTellsARepeat) {
  MessageIdLru lru(4, /*seed=*/1);
  EXPECT_FALSE(lru.CheckAndInsert(Id(7)));
  EXPECT_TRUE(lru.CheckAndInsert(Id(7)));
}

// B114
TEST(MessageIdLruTest, TheWindowIsKeptWhereverTheIdStandsInItsGeneration) {
  constexpr std::size_t kWindow = 8;
  for (std::uint64_t before = 0; before < 3 * kWindow; ++before) {
    MessageIdLru lru = Remembering(kWindow, 1000, before);
    lru.Insert(Id(1));
    for (std::uint64_t i = 0; i < kWindow; ++i) lru.Insert(Id(2000 + i));
    EXPECT_TRUE(lru.Contains(Id(1))) << "after " << before << " others";
  }
}

TEST(MessageIdLruTest, AnIdIsForgottenWithinTwoWindows) {
  constexpr std::size_t kWindow = 8;
  for (std::uint64_t before = 0; before < 3 * kWindow; ++before) {
    MessageIdLru lru = Remembering(kWindow, 1000, before);
    lru.Insert(Id(1));
    for (std::uint64_t i = 0; i < 2 * kWindow; ++i) lru.Insert(Id(2000 + i));
    EXPECT_FALSE(lru.Contains(Id(1))) << "after " << before << " others";
  }
}

TEST(MessageIdLruTest, AnIdThatKeepsComingIsNeverForgotten) {
  constexpr std::size_t kWindow = 8;
  MessageIdLru lru(kWindow, /*seed=*/1);
  lru.Insert(Id(1));
  for (std::uint64_t i = 0; i < 20 * kWindow; ++i) {
    lru.Insert(Id(1000 + i));
    if (i % kWindow == kWindow - 1) {
      EXPECT_TRUE(lru.Contains(Id(1))) << "after " << i;
    }
  }
}

TEST(MessageIdLruTest, AnInsertionOfARememberedIdCountsAsUse) {
  constexpr std::size_t kWindow = 8;
  MessageIdLru lru(kWindow, /*seed=*/1);
  for (std::uint64_t i = 0; i < 20 * kWindow; ++i) {
    lru.Insert(Id(1000 + i));
    if (i % kWindow == 0) lru.Insert(Id(1));
  }
  EXPECT_TRUE(lru.Contains(Id(1)));
}

TEST(MessageIdLruTest, SizeAndMemoryAreBounded) {
  constexpr std::size_t kWindow = 100;
  MessageIdLru lru(kWindow, /*seed=*/1);
  const std::size_t memory = lru.memory_bytes();
  EXPECT_LE(memory, 55 * kWindow + 600);
  for (std::uint64_t i = 0; i < 50 * kWindow; ++i) {
    lru.CheckAndInsert(Id(i));
    EXPECT_LE(lru.size(), 2 * kWindow);
  }
  EXPECT_GE(lru.size(), kWindow);
  EXPECT_EQ(lru.memory_bytes(), memory);
}

TEST(MessageIdLruTest, TheCountersAddUp) {
  constexpr std::size_t kWindow = 16;
  MessageIdLru lru(kWindow, /*seed=*/3);
  std::mt19937_64 random(5);
  std::uint64_t inserted = 0;
  std::uint64_t questions = 0;
  for (int i = 0; i < 10'000; ++i) {
    const MessageId id = Id(random() % 60);  // 0, the id that is all zero, is one of them.
    ++questions;
    const bool is_repeat = lru.Contains(id);
    if (random() % 4 == 0) continue;
    if (!is_repeat) ++inserted;
    lru.Insert(id);
  }
  EXPECT_GT(lru.counters().hits, 1000u);
  EXPECT_GT(lru.counters().evictions, 1000u);
  EXPECT_EQ(lru.counters().hits + lru.counters().misses, questions);
  EXPECT_EQ(lru.size(), inserted - lru.counters().evictions);
}

TEST(MessageIdLruTest, TheAllZeroIdIsAnIdLikeAnyOther) {
  MessageIdLru lru(4, /*seed=*/1);
  EXPECT_FALSE(lru.CheckAndInsert(MessageId{}));
  EXPECT_TRUE(lru.CheckAndInsert(MessageId{}));
  for (std::uint64_t i = 1; i <= 8; ++i) lru.Insert(Id(i));
  EXPECT_FALSE(lru.Contains(MessageId{}));
}

// Against a model that keeps for each id the number of distinct insertions since its last use.
// B114
TEST(MessageIdLruTest, NoIdWithinTheWindowIsEverMissedAndNoUnknownIdIsEverFound) {
  constexpr std::size_t kWindow = 32;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    MessageIdLru lru(kWindow, seed);
    std::mt19937_64 random(seed);
    std::unordered_map<std::uint64_t, std::uint64_t> last_use;  // id -> time of its last use
    for (std::uint64_t now = 0; now < 5'000; ++now) {
      const std::uint64_t number = random() % 200;
      const auto used = last_use.find(number);
      const bool was_inserted = used != last_use.end();
      const bool is_within_window = was_inserted && now - used->second <= kWindow;
      const bool is_repeat = lru.CheckAndInsert(Id(number));
      if (is_within_window) {
        ASSERT_TRUE(is_repeat) << "seed " << seed << " at " << now;
      }
      if (!was_inserted) {
        ASSERT_FALSE(is_repeat) << "seed " << seed << " at " << now;
      }
      last_use[number] = now;
    }
  }
}

MessageIdLru Holding(const std::vector<MessageId>& ids, std::size_t window, std::uint64_t seed) {
  MessageIdLru lru(window, seed);
  for (const MessageId& id : ids) lru.Insert(id);
  return lru;
}

// The 8 ids of the first group that overflows under `seed`: those without which its 9th would have found room there.
std::vector<MessageId> IdsOfOneGroup(std::size_t window, std::uint64_t seed) {
  std::vector<MessageId> ids;
  do {
    ids.push_back(Id(ids.size() + 1));
  } while (Holding(ids, window, seed).counters().longest_probe == 1);
  std::vector<MessageId> group;
  for (std::size_t i = 0; i + 1 < ids.size(); ++i) {
    std::vector<MessageId> without = ids;
    without.erase(without.begin() + static_cast<std::ptrdiff_t>(i));
    if (Holding(without, window, seed).counters().longest_probe == 1) group.push_back(ids[i]);
  }
  return group;
}

// Ids that all belong into one group under `seed`, found by trying: what someone could send who knew it.
std::vector<MessageId> IdsThatCollide(std::size_t count, std::size_t window, std::uint64_t seed) {
  std::vector<MessageId> ids = IdsOfOneGroup(window, seed);
  std::uint64_t number = 1'000'000;
  while (ids.size() < count) {
    // All groups from theirs on are full: one more of their kind, and no other, has the longest way.
    const MessageIdLru full = Holding(ids, window, seed);
    for (std::size_t found = 0; found < 8; ++number) {
      MessageIdLru attempt = full;
      attempt.Insert(Id(number));
      if (attempt.counters().longest_probe == full.counters().longest_probe) continue;
      ids.push_back(Id(number));
      ++found;
    }
  }
  return ids;
}

TEST(MessageIdLruTest, IdsMadeToCollideUnderOneSeedDoNotCollideUnderAnother) {
  constexpr std::size_t kWindow = 200;
  const std::vector<MessageId> ids = IdsThatCollide(/*count=*/160, kWindow, /*seed=*/1);
  ASSERT_EQ(ids.size(), 160u);
  EXPECT_EQ(Holding(ids, kWindow, /*seed=*/1).counters().longest_probe, 20u);
  for (std::uint64_t seed = 2; seed < 50; ++seed) {
    EXPECT_LE(Holding(ids, kWindow, seed).counters().longest_probe, 6u) << "seed " << seed;
  }
}

TEST(MessageIdLruTest, CollidingIdsAreStillRemembered) {
  constexpr std::size_t kWindow = 200;
  const std::vector<MessageId> ids = IdsThatCollide(/*count=*/160, kWindow, /*seed=*/1);
  MessageIdLru lru = Holding(ids, kWindow, /*seed=*/1);
  for (const MessageId& id : ids) EXPECT_TRUE(lru.Contains(id));
}

TEST(MessageIdLruTest, RegularIdsSpreadLikeRandomOnes) {
  constexpr std::size_t kWindow = 50'000;
  // Counted up in every one of the 16 bytes: what a producer may make without any ill will.
  for (int byte = 0; byte <= 14; ++byte) {
    MessageIdLru lru(kWindow, /*seed=*/9);
    for (std::uint32_t i = 0; i < kWindow; ++i) {
      MessageId id;
      id.bytes[byte] = static_cast<std::uint8_t>(i);
      id.bytes[byte + 1] = static_cast<std::uint8_t>(i >> 8);
      id.bytes[byte > 0 ? 0 : 15] ^= 1;
      lru.Insert(id);
    }
    EXPECT_EQ(lru.size(), kWindow);
    EXPECT_LE(lru.counters().longest_probe, 12u) << "byte " << byte;
  }
}

}  // namespace
}  // namespace ev::dedup
