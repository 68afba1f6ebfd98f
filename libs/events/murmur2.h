#ifndef EV_EVENTS_MURMUR2_H_
#define EV_EVENTS_MURMUR2_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace ev {

// Kafka's variant of MurmurHash2: 32 bits, seed 0x9747b28c, equal to the Java client's Utils.murmur2 bit for bit.
std::uint32_t Murmur2(absl::string_view key);

// The partition in which every Kafka client stores a message with this (not empty) key. `partitions` is positive.
std::int32_t PartitionFor(absl::string_view key, std::int32_t partitions);

}  // namespace ev

#endif  // EV_EVENTS_MURMUR2_H_
