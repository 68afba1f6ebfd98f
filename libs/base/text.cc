#include "base/text.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace ev {
namespace {

unsigned char ByteAt(absl::string_view text, std::size_t i) {
  return static_cast<unsigned char>(text[i]);
}

bool IsContinuation(unsigned char byte) {
  return (byte & 0xc0) == 0x80;
}

// `character` is well-formed. U+0080 to U+009F are written as c2 80 .. c2 9f.
bool IsControl(absl::string_view character) {
  const unsigned char first = ByteAt(character, 0);
  if (character.size() == 1) return first < 0x20 || first == 0x7f;
  return character.size() == 2 && first == 0xc2 && ByteAt(character, 1) < 0xa0;
}

// The bytes of the printable character that `text` begins with; 0: it begins with something else, and `skipped` is how
// many bytes that has.
std::size_t PrintableLength(absl::string_view text, std::size_t& skipped) {
  const std::size_t length = CharacterLength(text);
  skipped = std::max<std::size_t>(length, 1);
  return length == 0 || IsControl(text.substr(0, length)) ? 0 : length;
}

}  // namespace

std::size_t CharacterLength(absl::string_view text) {
  if (text.empty()) return 0;
  const unsigned char first = ByteAt(text, 0);
  if (first < 0x80) return 1;
  const std::size_t length = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  if (length == 0 || length > text.size()) return 0;
  const unsigned char second = ByteAt(text, 1);
  // Longer than need be, half of a UTF-16 pair, or above U+10FFFF.
  const bool is_bad = (first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
                      (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f);
  if (is_bad) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if (!IsContinuation(ByteAt(text, i))) return 0;
  }
  return length;
}

std::size_t FindUnprintable(absl::string_view text) {
  std::size_t skipped = 0;
  for (std::size_t i = 0; i < text.size(); i += skipped) {
    if (PrintableLength(text.substr(i), skipped) == 0) return i;
  }
  return absl::string_view::npos;
}

std::string Printable(absl::string_view text, char instead) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    std::size_t skipped = 0;
    const std::size_t length = PrintableLength(text, skipped);
    length == 0 ? out.append(1, instead) : out.append(text.data(), length);
    text.remove_prefix(skipped);
  }
  return out;
}

std::string EscapeJson(absl::string_view json) {
  std::string out;
  out.reserve(json.size());
  while (!json.empty()) {
    const absl::string_view character = json.substr(0, std::max<std::size_t>(CharacterLength(json), 1));
    if (IsControl(character)) {
      absl::StrAppend(&out, "\\u", absl::Hex(ByteAt(character, character.size() - 1), absl::kZeroPad4));
    } else {
      out.append(character.data(), character.size());
    }
    json.remove_prefix(character.size());
  }
  return out;
}

absl::string_view CutUtf8(absl::string_view text, std::size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  std::size_t end = max_bytes;
  while (end > 0 && IsContinuation(ByteAt(text, end))) --end;
  return text.substr(0, end);
}

std::string Excerpt(absl::string_view text, std::size_t max_bytes) {
  return Printable(CutUtf8(text, max_bytes)) + (text.size() > max_bytes ? "..." : "");
}

}  // namespace ev
