#ifndef EV_BASE_NEAREST_H_
#define EV_BASE_NEAREST_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace ev {

// The end of a message about a `word` that nobody knows: "; did you mean points?" when it differs from one of `known`
// by a slip of the fingers or two, else nothing.
std::string DidYouMean(absl::string_view word, const std::vector<std::string>& known);

}  // namespace ev

#endif  // EV_BASE_NEAREST_H_
