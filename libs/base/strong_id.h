#ifndef EV_BASE_STRONG_ID_H_
#define EV_BASE_STRONG_ID_H_

#include <compare>
#include <cstdint>
#include <ostream>
#include <string>
#include <utility>

namespace ev {

// Text that identifies one kind of thing: two kinds do not mix, so swapped arguments do not compile.
// Holds any text; what is well formed is said where the kind is declared (domain/ids.h).
template <typename Tag>
class StrongId {
 public:
  StrongId() = default;
  explicit StrongId(std::string value) : value_(std::move(value)) {}

  const std::string& value() const { return value_; }
  bool empty() const { return value_.empty(); }

  friend auto operator<=>(const StrongId&, const StrongId&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const StrongId& id) {
    return H::combine(std::move(h), id.value_);
  }
  friend std::ostream& operator<<(std::ostream& out, const StrongId& id) { return out << id.value_; }

 private:
  std::string value_;
};

// A number that grows for ever within its kind (link epochs, grant numbers). 0 stands for "none yet".
template <typename Tag>
class StrongNumber {
 public:
  constexpr StrongNumber() = default;
  constexpr explicit StrongNumber(std::int64_t value) : value_(value) {}

  constexpr std::int64_t value() const { return value_; }
  constexpr StrongNumber Next() const { return StrongNumber(value_ + 1); }

  friend constexpr auto operator<=>(const StrongNumber&, const StrongNumber&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const StrongNumber& n) {
    return H::combine(std::move(h), n.value_);
  }
  friend std::ostream& operator<<(std::ostream& out, const StrongNumber& n) { return out << n.value_; }

 private:
  std::int64_t value_ = 0;
};

}  // namespace ev

#endif  // EV_BASE_STRONG_ID_H_
