#ifndef EV_PROCESS_VERSION_H_
#define EV_PROCESS_VERSION_H_

#include "absl/strings/string_view.h"

namespace ev::process {

// Which version this is: "0.1.0+g06d54b5c2d1a" for the project's version and the commit it was built from, with
// ".dirty" when files differed from it; "0.1.0" for a commit that is tagged v0.1.0, or where the build did not know its
// commit.
absl::string_view Version();

}  // namespace ev::process

#endif  // EV_PROCESS_VERSION_H_
