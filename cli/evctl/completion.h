#ifndef EV_CLI_EVCTL_COMPLETION_H_
#define EV_CLI_EVCTL_COMPLETION_H_

#include <iosfwd>
#include <string>

#include "absl/status/status.h"

namespace CLI {
class App;
}

namespace ev::evctl {

// Prints a script that completes `app`'s commands and their options in `shell`: bash or zsh. InvalidArgument names
// them.
absl::Status PrintCompletion(const CLI::App& app, const std::string& shell, std::ostream& out);

}  // namespace ev::evctl

#endif  // EV_CLI_EVCTL_COMPLETION_H_
