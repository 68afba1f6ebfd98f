#ifndef EV_BASE_ID_SOURCE_H_
#define EV_BASE_ID_SOURCE_H_

#include <array>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace ev {

// 16 bytes, unique, ordered by the millisecond in which they were made (RFC 9562, UUID version 7).
struct MessageId {
  std::array<std::uint8_t, 16> bytes{};

  friend auto operator<=>(const MessageId&, const MessageId&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const MessageId& id) {
    return H::combine(std::move(h), id.bytes);
  }
};

// 32 lower-case hexadecimal digits.
std::string ToHex(const MessageId& id);

// Where identifiers come from. Cores take one as an argument; tests give a seeded one.
class IdSource {
 public:
  virtual ~IdSource() = default;
  // A fresh id whose first 48 bits are `utc` in milliseconds.
  virtual MessageId NewMessageId(absl::Time utc) = 0;
  // 128 random bits as 32 lower-case hexadecimal digits: not to be guessed, without order.
  virtual std::string NewRandomHex() = 0;
};

// Takes its bits from the system's generator once, then from a 64-bit engine seeded by it. Not thread-safe: one for
// each owner of a core.
class RandomIdSource final : public IdSource {
 public:
  // The same seed gives the same ids: for tests and the simulator.
  explicit RandomIdSource(std::uint64_t seed);
  RandomIdSource();

  MessageId NewMessageId(absl::Time utc) override;
  std::string NewRandomHex() override;

 private:
  std::uint64_t Next();

  std::array<std::uint64_t, 4> state_;
};

}  // namespace ev

#endif  // EV_BASE_ID_SOURCE_H_
