#ifndef EV_BASE_TEXT_H_
#define EV_BASE_TEXT_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace ev {

// Text is UTF-8 everywhere: a message with other bytes in a string cannot be read by its receiver. Control characters
// are those of ASCII, DEL, and U+0080 to U+009F, of which one begins commands to a terminal as ESC does.

// The bytes of the well-formed UTF-8 character that `text` begins with; 0 when it begins with none.
std::size_t CharacterLength(absl::string_view text);

// Where the first control character, or byte that is no UTF-8, stands; npos: `text` can be kept, sent and shown as it
// is.
std::size_t FindUnprintable(absl::string_view text);

// `text` with `instead` in the place of each control character and each byte that is no UTF-8. A tab and an end of line
// are control characters, too.
std::string Printable(absl::string_view text, char instead = '?');

// `json`, one line of it, with the control characters that JSON allows as they are (DEL, U+0080 to U+009F) escaped as
// its writers escape the others: \u0085. They can stand in its strings only.
std::string EscapeJson(absl::string_view json);

// The beginning of `text`, at most `max_bytes`, cut between characters and not within one.
absl::string_view CutUtf8(absl::string_view text, std::size_t max_bytes);

// CutUtf8() to be shown: Printable(), and with "..." where something was cut off.
std::string Excerpt(absl::string_view text, std::size_t max_bytes);

}  // namespace ev

#endif  // EV_BASE_TEXT_H_
