#include "cli/evctl/completion.h"

#include <CLI/CLI.hpp>
#include <map>
#include <ostream>
#include <vector>

#include "absl/strings/str_join.h"
#include "cli/evctl/words.h"

namespace ev::evctl {
namespace {

// What may stand after a command beside its options.
const std::map<std::string, std::string>& Words() {
  static const auto* const words = new std::map<std::string, std::string>{
      {"get", "points sessions tickets gaps"},
      {"describe", "point session ticket"},
      {"watch", "points sessions"},
      {"stop", "point session all"},
      {"resume", "point all"},
      {"dead-letters", "list show replay"},
      {"log-level", "debug info warn error"},
      {"completion", "bash zsh"},
      {"config", "get-contexts current-context use-context set-context delete-context view"},
      {"tail",
       "charging_session_data charging_session_complete charging_status_updates system_alerts charging_dead_letter"}};
  return *words;
}

}  // namespace

absl::Status PrintCompletion(const CLI::App& app, const std::string& shell, std::ostream& out) {
  if (shell != "bash" && shell != "zsh") return NotOneOf("completion", shell, {"bash", "zsh"});
  // zsh runs bash's.
  if (shell == "zsh") out << "autoload -U +X bashcompinit && bashcompinit\n";
  std::vector<std::string> names;
  std::string cases;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(command->get_name());
    std::vector<std::string> options;
    for (const CLI::Option* option : command->get_options()) {
      for (const std::string& name : option->get_lnames()) options.push_back("--" + name);
    }
    const auto words = Words().find(command->get_name());
    absl::StrAppend(&cases, "    ", command->get_name(), ") list='", absl::StrJoin(options, " "),
                    words == Words().end() ? "" : " ", words == Words().end() ? "" : words->second, "' ;;\n");
  }
  out << "_evctl() {\n"
         "  local list='"
      << absl::StrJoin(names, " ")
      << "'\n"
         "  case ${COMP_WORDS[1]} in\n"
      << cases
      << "  esac\n"
         "  case ${COMP_WORDS[COMP_CWORD-1]} in\n"
         "    --context|use-context|set-context|delete-context)\n"
         "      list=$(\"${COMP_WORDS[0]}\" config get-contexts -o name 2>/dev/null) ;;\n"
         "  esac\n"
         "  [ \"$COMP_CWORD\" -gt 1 ] || list='"
      << absl::StrJoin(names, " ")
      << "'\n"
         "  COMPREPLY=($(compgen -W \"$list\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n"
         "}\n"
         "complete -F _evctl evctl\n";
  return absl::OkStatus();
}

}  // namespace ev::evctl
