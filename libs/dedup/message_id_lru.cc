#include "dedup/message_id_lru.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>

#include "absl/numeric/int128.h"
#include "base/split_mix.h"

namespace ev::dedup {
namespace {

// Both halves of the 128-bit product folded together: every bit of the input reaches every bit of the result.
std::uint64_t MultiplyFold(std::uint64_t a, std::uint64_t b) {
  const absl::uint128 product = absl::uint128(a) * b;
  return absl::Uint128High64(product) ^ absl::Uint128Low64(product);
}

constexpr std::size_t kSlots = 8;        // In a group: as many as tags in a word.
constexpr std::size_t kIdsInAGroup = 5;  // On average, in a full generation: with more, look-ups go on to more groups.
constexpr std::uint64_t kEveryTag = 0x0101010101010101ULL;
constexpr std::uint64_t kOccupied = 0x80 * kEveryTag;

// The slots whose tag is `tag`, as the top bit of each; may name a slot too many above a right one.
std::uint64_t Matches(std::uint64_t tags, std::uint64_t tag) {
  const std::uint64_t difference = tags ^ (tag * kEveryTag);
  return (difference - kEveryTag) & ~difference & kOccupied;
}

std::uint64_t Empty(std::uint64_t tags) {
  return ~tags & kOccupied;
}

std::size_t FirstSlot(std::uint64_t bits) {
  return static_cast<std::size_t>(std::countr_zero(bits)) / 8;
}

}  // namespace

MessageIdLru::MessageIdLru(std::size_t window, std::uint64_t seed) : window_(window) {
  assert(window >= 1);
  for (auto& word : secret_) word = SplitMix(seed);
  tags_.resize(window_ / kIdsInAGroup + 1);
  for (auto& ids : ids_) ids.resize(tags_.size() * kSlots);
}

bool MessageIdLru::Contains(const MessageId& id) {
  return Use(Prepare(id));
}

void MessageIdLru::Insert(const MessageId& id) {
  const Probe probe = Prepare(id);
  if (Has(current_, probe)) return;
  Add(probe, /*is_in_old=*/Has(old(), probe));
}

bool MessageIdLru::CheckAndInsert(const MessageId& id) {
  const Probe probe = Prepare(id);
  if (Use(probe)) return true;
  Add(probe, /*is_in_old=*/false);
  return false;
}

std::size_t MessageIdLru::memory_bytes() const {
  return sizeof(*this) + tags_.capacity() * sizeof(Tags) +
         (ids_[0].capacity() + ids_[1].capacity()) * sizeof(MessageId);
}

MessageIdLru::Probe MessageIdLru::Prepare(const MessageId& id) const {
  std::array<std::uint64_t, 2> half;
  static_assert(sizeof(half) == sizeof(id.bytes));
  std::memcpy(half.data(), id.bytes.data(), sizeof(half));
  // Two rounds: after one alone, ids could be chosen to collide whatever the secret is.
  const std::uint64_t first = MultiplyFold(half[0] ^ secret_[0], half[1] ^ secret_[1]);
  const std::uint64_t hash = MultiplyFold(first ^ secret_[2], half[1] ^ secret_[3]);
  // The high half of the product maps the hash onto the groups, for any number of them, without a division. Tag and
  // slot are taken from the bits that matter least in that.
  const Probe probe{.id = id,
                    .tag = 0x80 | (hash & 0x7f),
                    .group = static_cast<std::size_t>(absl::Uint128High64(absl::uint128(hash) * tags_.size())),
                    .slot = (hash >> 7) % kSlots};
  // Both cache misses of a new id begin here, side by side: its tags, and the slot that it will most likely get.
  __builtin_prefetch(&tags_[probe.group], /*rw=*/1);
  __builtin_prefetch(&ids_[current_][probe.group * kSlots + probe.slot], /*rw=*/1);
  return probe;
}

bool MessageIdLru::Has(std::size_t generation, const Probe& probe) const {
  // Ends: a generation has more slots than ids.
  for (std::size_t group = probe.group;; group = Next(group)) {
    const std::uint64_t tags = tags_[group][generation];
    for (std::uint64_t bits = Matches(tags, probe.tag); bits != 0; bits &= bits - 1) {
      if (ids_[generation][group * kSlots + FirstSlot(bits)] == probe.id) return true;
    }
    if (Empty(tags) != 0) return false;
  }
}

bool MessageIdLru::Use(const Probe& probe) {
  if (Has(current_, probe)) {
    ++counters_.hits;
    return true;
  }
  if (Has(old(), probe)) {
    ++counters_.hits;
    Add(probe, /*is_in_old=*/true);
    return true;
  }
  ++counters_.misses;
  return false;
}

void MessageIdLru::Add(const Probe& probe, bool is_in_old) {
  if (is_in_old) ++in_both_;
  if (size_[current_] == window_) StartGeneration();
  std::size_t group = probe.group;
  std::uint64_t looked_at = 1;
  for (; Empty(tags_[group][current_]) == 0; group = Next(group)) ++looked_at;
  const std::uint64_t empty = Empty(tags_[group][current_]);
  const std::size_t slot = (probe.slot + FirstSlot(std::rotr(empty, static_cast<int>(probe.slot * 8)))) % kSlots;
  tags_[group][current_] |= probe.tag << (slot * 8);
  ids_[current_][group * kSlots + slot] = probe.id;
  ++size_[current_];
  counters_.longest_probe = std::max(counters_.longest_probe, looked_at);
}

void MessageIdLru::StartGeneration() {
  counters_.evictions += size_[old()] - in_both_;
  in_both_ = 0;
  current_ = old();
  size_[current_] = 0;
  for (Tags& tags : tags_) tags[current_] = 0;
}

}  // namespace ev::dedup
