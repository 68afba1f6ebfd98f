#include "events/murmur2.h"

#include <cassert>
#include <cstddef>

namespace ev {
namespace {

constexpr std::uint32_t kMultiplier = 0x5bd1e995;
constexpr std::uint32_t kSeed = 0x9747b28c;

std::uint32_t ByteAt(absl::string_view key, std::size_t i) {
  return static_cast<unsigned char>(key[i]);
}

}  // namespace

std::uint32_t Murmur2(absl::string_view key) {
  std::uint32_t hash = kSeed ^ static_cast<std::uint32_t>(key.size());
  std::size_t at = 0;
  for (; at + 4 <= key.size(); at += 4) {
    std::uint32_t word =
        ByteAt(key, at) | ByteAt(key, at + 1) << 8 | ByteAt(key, at + 2) << 16 | ByteAt(key, at + 3) << 24;
    word *= kMultiplier;
    word ^= word >> 24;
    word *= kMultiplier;
    hash = (hash * kMultiplier) ^ word;
  }
  const std::size_t rest = key.size() - at;
  if (rest > 0) {
    for (std::size_t i = rest; i > 0; --i) hash ^= ByteAt(key, at + i - 1) << (8 * (i - 1));
    hash *= kMultiplier;
  }
  hash ^= hash >> 13;
  hash *= kMultiplier;
  hash ^= hash >> 15;
  return hash;
}

std::int32_t PartitionFor(absl::string_view key, std::int32_t partitions) {
  assert(partitions > 0);
  // Java's toPositive clears the sign bit; it is not the absolute value.
  return static_cast<std::int32_t>(Murmur2(key) & 0x7fffffff) % partitions;
}

}  // namespace ev
