#ifndef EV_BASE_SPLIT_MIX_H_
#define EV_BASE_SPLIT_MIX_H_

#include <cstdint>

namespace ev {

// splitmix64 (Steele, Lea, Flood 2014): the next of a row of numbers that spreads one seed over a larger state.
constexpr std::uint64_t SplitMix(std::uint64_t& x) {
  std::uint64_t z = (x += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

}  // namespace ev

#endif  // EV_BASE_SPLIT_MIX_H_
