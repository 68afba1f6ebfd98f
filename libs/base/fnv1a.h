#ifndef EV_BASE_FNV1A_H_
#define EV_BASE_FNV1A_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace ev {

inline constexpr std::uint64_t kFnv1aBasis = 0xcbf29ce484222325;

// FNV-1a (Fowler, Noll, Vo), 64 bits: the same on every machine and in every start, which absl::Hash is not. Goes on
// from `hash`; no protection against somebody who wants two texts with the same hash.
constexpr std::uint64_t Fnv1a(absl::string_view text, std::uint64_t hash = kFnv1aBasis) {
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

}  // namespace ev

#endif  // EV_BASE_FNV1A_H_
