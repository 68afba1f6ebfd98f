#ifndef EV_CLI_EVCTL_CONTEXTS_H_
#define EV_CLI_EVCTL_CONTEXTS_H_

#include <map>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ev::evctl {

// Where a network is. Empty: not said.
struct Context {
  std::string central;
  std::string kafka_brokers;
};

// What stands in the file of contexts:
//
//   current-context = "north"
//
//   [contexts.north]
//   central = "central.north.example:50051"
//   kafka-brokers = "kafka.north.example:9092"
struct Contexts {
  std::string current;  // Empty: none.
  std::map<std::string, Context> by_name;
};

// The file: `flag`, else EVCTL_CONFIG, else config.toml in process::DefaultConfigRoot(), or FailedPrecondition where
// there is no such place.
absl::StatusOr<std::string> ContextsFile(const std::string& flag);

// InvalidArgument names the file, the line and what to do: it cannot be read, has an unknown key, a wrong name or a
// wrong address. A file that does not exist has no contexts.
absl::StatusOr<Contexts> ReadContexts(const std::string& file);

// Reads the file, lets `change` change what stands there and writes it at once and whole, for this user only (0600), or
// leaves it as it was. Makes the file's folder. Unavailable: another process is changing it.
absl::Status ChangeContexts(const std::string& file, absl::FunctionRef<absl::Status(Contexts&)> change);

// As the file has it.
std::string ContextsText(const Contexts& contexts);

// Sets `key` of a context. InvalidArgument says what is wrong with the value, or that there is no such key.
absl::Status SetField(Context& context, absl::string_view key, const std::string& value);

// InvalidArgument unless it has 1 to 64 of A-Z a-z 0-9 . _ - and begins with a letter or a digit.
absl::Status CheckContextName(absl::string_view name);

// The context of that name; InvalidArgument with the one that was meant.
absl::StatusOr<Context> FindContext(const Contexts& contexts, const std::string& name, absl::string_view file);

// What a command works with.
struct ChosenContext {
  std::string name;  // Empty: none.
  std::string file;  // Empty: there is no place for one.
  Context context;
};

// The context `name`, or the current one where it is empty. `file_flag`: see ContextsFile(). A file that somebody names
// must exist.
absl::StatusOr<ChosenContext> ChooseContext(const std::string& file_flag, const std::string& name);

}  // namespace ev::evctl

#endif  // EV_CLI_EVCTL_CONTEXTS_H_
