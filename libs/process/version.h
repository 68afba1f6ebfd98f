#ifndef EV_PROCESS_VERSION_H_
#define EV_PROCESS_VERSION_H_

#include "absl/strings/string_view.h"

namespace ev::process {

// The project's version: "0.1.0".
absl::string_view Version();

}  // namespace ev::process

#endif  // EV_PROCESS_VERSION_H_
