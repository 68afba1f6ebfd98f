#ifndef EV_DEDUP_MESSAGE_ID_LRU_H_
#define EV_DEDUP_MESSAGE_ID_LRU_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/id_source.h"

namespace ev::dedup {

// Remembers the message ids used last, in bounded memory, so that a repeated message is dropped cheaply. It is the fast
// path only: what it has forgotten, or lost with the process, the ledger still refuses.
//
// An id is remembered for at least `window` insertions of other ids after it was last used, and for fewer than
// 2 * window + 1. To use is to Insert an id, or to ask for one that is remembered.
//
// All memory is taken by the constructor: 55 bytes for each id of the window and 600 beside that.
// Nothing allocates after it. Every call is O(1); one insertion in `window` also clears 3.2 bytes for each id of it.
//
// Not thread-safe: it belongs to its shard, under the shard's mutex, and is dropped together with it.
class MessageIdLru {
 public:
  // Never reset, except by the destructor.
  struct Counters {
    std::uint64_t hits = 0;           // Questions (Contains, CheckAndInsert) whose answer was yes.
    std::uint64_t misses = 0;         // Questions whose answer was no.
    std::uint64_t evictions = 0;      // Ids forgotten because newer ones came.
    std::uint64_t longest_probe = 0;  // Groups of 8 slots that the worst insertion looked at: a hundred would mean ids
                                      // that were made to collide.
  };

  // `window` is at least 1. `seed` is to differ for each process and to stay secret: ids come from outside, and who
  // knows the seed can choose ids that make every call slow.
  MessageIdLru(std::size_t window, std::uint64_t seed);

  // True when `id` is remembered; it then counts as used now.
  bool Contains(const MessageId& id);

  // Remembers `id`, or counts it as used now. Call it once the message was applied, not when it was seen: a message
  // that failed must pass again.
  void Insert(const MessageId& id);

  // Contains and, if it was not, Insert. Returns what Contains returned: true for a repeat. For callers whose messages
  // cannot fail between the two.
  bool CheckAndInsert(const MessageId& id);

  std::size_t window() const { return window_; }
  // Ids remembered now: at most 2 * window.
  std::size_t size() const { return size_[0] + size_[1] - in_both_; }
  std::size_t memory_bytes() const;
  const Counters& counters() const { return counters_; }

 private:
  // Two generations, each an open-addressing table in groups of 8 slots: a word of 8 tags (0x80 and 7 bits of the hash;
  // 0 is an empty slot) and 8 ids. An id is in the group that its hash says or, where that is full, in the next one.
  // The tags of both generations stand side by side: most look-ups of an unknown id read these 16 bytes and no id.
  using Tags = std::array<std::uint64_t, 2>;

  // What is computed from an id once, for both generations.
  struct Probe {
    MessageId id;
    std::uint64_t tag;
    std::size_t group;
    std::size_t slot;  // Where in a group to look for an empty slot first.
  };

  Probe Prepare(const MessageId& id) const;
  bool Has(std::size_t generation, const Probe& probe) const;
  bool Use(const Probe& probe);
  void Add(const Probe& probe, bool is_in_old);
  void StartGeneration();
  std::size_t Next(std::size_t group) const { return group + 1 == tags_.size() ? 0 : group + 1; }
  std::size_t old() const { return 1 - current_; }

  std::size_t window_;
  std::array<std::uint64_t, 4> secret_;
  std::vector<Tags> tags_;
  std::array<std::vector<MessageId>, 2> ids_;
  std::array<std::size_t, 2> size_{};
  std::size_t current_ = 0;  // The generation that takes ids, up to `window_`. The other one is only read.
  std::size_t in_both_ = 0;  // Ids of the old generation that were used since, and so are in the current one too.
  Counters counters_;
};

}  // namespace ev::dedup

#endif  // EV_DEDUP_MESSAGE_ID_LRU_H_
