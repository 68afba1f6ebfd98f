#ifndef EV_CLI_EVCTL_WORDS_H_
#define EV_CLI_EVCTL_WORDS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/nearest.h"
#include "base/text.h"

namespace ev::evctl {

// InvalidArgument: `command` wants one of `kinds`, and `word` is none; with the one that was meant.
inline absl::Status NotOneOf(absl::string_view command, absl::string_view word, const std::vector<std::string>& kinds) {
  std::string list;
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    absl::StrAppend(&list, i == 0 ? "" : i + 1 == kinds.size() ? " or " : ", ", kinds[i]);
  }
  return absl::InvalidArgumentError(
      absl::StrCat(command, " ", list, ", not \"", Printable(word), "\"", DidYouMean(word, kinds)));
}

}  // namespace ev::evctl

#endif  // EV_CLI_EVCTL_WORDS_H_
