#include "cli/evctl/config.h"

#include <algorithm>
#include <ostream>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "cli/evctl/contexts.h"
#include "cli/evctl/table.h"
#include "cli/evctl/words.h"

namespace ev::evctl {
namespace {

absl::Status List(const Contexts& contexts, const std::string& output, std::ostream& out) {
  if (output != "table" && output != "name") return NotOneOf("-o: get-contexts prints", output, {"table", "name"});
  std::vector<std::vector<Cell>> rows;
  for (const auto& [name, context] : contexts.by_name) {
    if (output == "name") out << name << '\n';
    rows.push_back(
        {{name == contexts.current ? "*" : "", ""}, {name, ""}, {context.central, ""}, {context.kafka_brokers, ""}});
  }
  if (output == "table") {
    const std::string names[] = {"CURRENT", "NAME", "CENTRAL", "KAFKA BROKERS"};
    out << RowsText(Output::kTable, names, rows, false);
  }
  return absl::OkStatus();
}

absl::Status PrintCurrent(const Contexts& contexts, std::ostream& out) {
  if (contexts.current.empty()) {
    return absl::FailedPreconditionError("no context is current: evctl config use-context chooses one");
  }
  out << contexts.current << '\n';
  return absl::OkStatus();
}

absl::Status Use(const ConfigOptions& options, const std::string& file, Contexts& contexts) {
  if (auto found = FindContext(contexts, options.name, file); !found.ok()) return found.status();
  contexts.current = options.name;
  return absl::OkStatus();
}

absl::Status Set(const ConfigOptions& options, Contexts& contexts) {
  if (auto status = CheckContextName(options.name); !status.ok()) return status;
  Context& context = contexts.by_name[options.name];
  for (const auto& [key, value] : {std::pair("central", &options.central), {"kafka-brokers", &options.kafka_brokers}}) {
    if (value->empty()) continue;
    if (auto status = SetField(context, key, *value); !status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("--", key, ": ", status.message()));
    }
  }
  return absl::OkStatus();
}

absl::Status Delete(const ConfigOptions& options, const std::string& file, Contexts& contexts) {
  if (auto found = FindContext(contexts, options.name, file); !found.ok()) return found.status();
  contexts.by_name.erase(options.name);
  if (contexts.current == options.name) contexts.current.clear();
  return absl::OkStatus();
}

absl::Status CheckWords(const ConfigOptions& options) {
  const std::vector<std::string> kinds = {"get-contexts", "current-context", "use-context",
                                          "set-context",  "delete-context",  "view"};
  if (std::find(kinds.begin(), kinds.end(), options.what) == kinds.end()) {
    return NotOneOf("config", options.what, kinds);
  }
  const bool wants_name =
      options.what == "use-context" || options.what == "set-context" || options.what == "delete-context";
  const bool is_set = options.what == "set-context";
  const bool has_fields = !options.central.empty() || !options.kafka_brokers.empty();
  const auto wrong = [&](absl::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat("config ", options.what, ": ", why));
  };
  if (wants_name && options.name.empty()) return wrong("which context? its name follows");
  if (!wants_name && !options.name.empty()) return wrong("it takes no name");
  if (is_set && !has_fields) return wrong("where is it? --central or --kafka-brokers says so");
  if (!is_set && has_fields) return wrong("--central and --kafka-brokers are of set-context");
  return absl::OkStatus();
}

}  // namespace

absl::Status Config(const ConfigOptions& options, std::ostream& out) {
  if (auto status = CheckWords(options); !status.ok()) return status;
  const auto file = ContextsFile(options.file);
  if (!file.ok()) return absl::InvalidArgumentError(absl::StrCat(file.status().message(), ", by --config"));
  if (options.name.empty()) {
    const auto contexts = ReadContexts(*file);
    if (!contexts.ok()) return contexts.status();
    if (options.what == "get-contexts") return List(*contexts, options.output, out);
    if (options.what == "current-context") return PrintCurrent(*contexts, out);
    out << "# " << Printable(*file) << '\n' << ContextsText(*contexts);
    return absl::OkStatus();
  }
  std::string current;
  const absl::Status changed = ChangeContexts(*file, [&](Contexts& contexts) {
    const absl::Status status = options.what == "use-context"   ? Use(options, *file, contexts)
                                : options.what == "set-context" ? Set(options, contexts)
                                                                : Delete(options, *file, contexts);
    current = contexts.current;
    return status;
  });
  if (!changed.ok()) return changed;
  out << Printable(*file) << ": context " << options.name
      << (options.what == "delete-context" ? " deleted"
          : options.what == "set-context"  ? " set"
                                           : " chosen")
      << (current.empty() ? "; none is current" : absl::StrCat("; current is ", current)) << '\n';
  return absl::OkStatus();
}

}  // namespace ev::evctl
