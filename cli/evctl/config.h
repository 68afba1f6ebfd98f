#ifndef EV_CLI_EVCTL_CONFIG_H_
#define EV_CLI_EVCTL_CONFIG_H_

#include <iosfwd>
#include <string>

#include "absl/status/status.h"

namespace ev::evctl {

struct ConfigOptions {
  std::string what;              // get-contexts, current-context, use-context, set-context, delete-context, view
  std::string name;              // Of the context.
  std::string file;              // --config; empty: see ContextsFile().
  std::string output = "table";  // Of get-contexts: table or name.
  // Of set-context; empty: as it was.
  std::string central;
  std::string kafka_brokers;
};

// Shows and changes the contexts. InvalidArgument for an order that is not clear, or a file that is wrong.
absl::Status Config(const ConfigOptions& options, std::ostream& out);

}  // namespace ev::evctl

#endif  // EV_CLI_EVCTL_CONFIG_H_
