#include "base/id_source.h"

#include <bit>
#include <random>

#include "absl/strings/escaping.h"
#include "base/split_mix.h"

namespace ev {
namespace {

void PutBigEndian(std::uint64_t value, std::uint8_t* out) {
  for (int i = 7; i >= 0; --i) {
    out[i] = static_cast<std::uint8_t>(value & 0xff);
    value >>= 8;
  }
}

}  // namespace

std::string ToHex(const MessageId& id) {
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()));
}

RandomIdSource::RandomIdSource(std::uint64_t seed) {
  for (auto& word : state_) word = SplitMix(seed);
}

RandomIdSource::RandomIdSource() {
  std::random_device device;
  for (auto& word : state_) word = (static_cast<std::uint64_t>(device()) << 32) | device();
}

// xoshiro256** (Blackman, Vigna 2018).
std::uint64_t RandomIdSource::Next() {
  const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const std::uint64_t t = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= t;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

MessageId RandomIdSource::NewMessageId(absl::Time utc) {
  MessageId id;
  const auto millis = static_cast<std::uint64_t>(absl::ToUnixMillis(utc));
  PutBigEndian((millis << 16) | 0x7000 | (Next() & 0x0fff), id.bytes.data());
  PutBigEndian((Next() >> 2) | 0x8000000000000000ULL, id.bytes.data() + 8);
  return id;
}

std::string RandomIdSource::NewRandomHex() {
  MessageId id;
  PutBigEndian(Next(), id.bytes.data());
  PutBigEndian(Next(), id.bytes.data() + 8);
  return ToHex(id);
}

}  // namespace ev
