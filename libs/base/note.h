#ifndef EV_BASE_NOTE_H_
#define EV_BASE_NOTE_H_

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/trace.h"

namespace ev {

enum class NoteLevel { kDebug, kInfo, kWarn, kError };

// What a note is about: one key, a literal, and its value.
struct NoteField {
  absl::string_view key;
  std::variant<std::string, std::int64_t> value;
};

// Something worth a line in the log, said by what does not log itself: a message that is a literal, so that it can be
// searched for, then what it is about as fields. log::Write() writes it.
struct Note {
  NoteLevel level = NoteLevel::kInfo;
  absl::string_view message;
  std::vector<NoteField> fields;
  Trace trace = {};  // Of the charge that it is about; none: of none.
};

}  // namespace ev

#endif  // EV_BASE_NOTE_H_
