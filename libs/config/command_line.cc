#include "config/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/nearest.h"
#include "base/text.h"

namespace ev::config {
namespace {

constexpr int kMisconfigured = 2;

using Texts = std::vector<std::string>;

std::vector<CLI::App*> CommandsOf(CLI::App& app) {
  return app.get_subcommands([](CLI::App*) { return true; });
}

Texts FlagsOf(const CLI::App& app) {
  Texts flags;
  for (const CLI::Option* option : app.get_options()) {
    if (!option->nonpositional()) continue;
    for (const std::string& name : option->get_lnames()) flags.push_back("--" + name);
  }
  return flags;
}

bool TakesValue(const CLI::Option& option) {
  return option.get_items_expected_max() > 0;
}

// CLI11 would take the next argument as the value of `--name=` and of a `--name` that was left without one, and names
// an unknown option only after all the rest was found right.
class Reader {
 public:
  Reader(CLI::App& app, Texts arguments) : command_(&app), arguments_(std::move(arguments)) {}

  // In the order given, each value in an argument of its own.
  absl::StatusOr<Texts> Read() {
    for (; next_ < arguments_.size(); ++next_) {
      if (arguments_[next_] == "--") break;  // From here on nothing is an option.
      const absl::Status status = absl::StartsWith(arguments_[next_], "--") ? ReadOption() : ReadWord();
      if (!status.ok()) return status;
    }
    read_.insert(read_.end(), arguments_.begin() + static_cast<std::ptrdiff_t>(next_), arguments_.end());
    return read_;
  }

 private:
  absl::Status ReadOption() {
    const std::string& argument = arguments_[next_];
    const std::size_t equals = argument.find('=');
    const std::string name = argument.substr(0, equals);
    const CLI::Option* option = command_->get_option_no_throw(name);
    if (option == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("unknown option ", Printable(name), DidYouMean(name, FlagsOf(*command_))));
    }
    if (!TakesValue(*option)) {
      if (equals == argument.size() - 1) {
        return absl::InvalidArgumentError(absl::StrCat(name, "= needs true or false after the ="));
      }
      read_.push_back(argument);
      return absl::OkStatus();
    }
    read_.push_back(name);
    if (equals != std::string::npos) {
      read_.push_back(argument.substr(equals + 1));
      return absl::OkStatus();
    }
    const bool is_last = next_ + 1 == arguments_.size();
    if (is_last || absl::StartsWith(arguments_[next_ + 1], "--")) {
      return absl::InvalidArgumentError(absl::StrCat(
          name, " needs a value", is_last ? "" : absl::StrCat("; after it comes ", Printable(arguments_[next_ + 1]))));
    }
    read_.push_back(arguments_[++next_]);
    return absl::OkStatus();
  }

  absl::Status ReadWord() {
    const std::string& word = arguments_[next_];
    read_.push_back(word);
    const std::vector<CLI::App*> commands = CommandsOf(*command_);
    if (commands.empty() || absl::StartsWith(word, "-")) return absl::OkStatus();
    Texts names;
    for (CLI::App* command : commands) {
      names.push_back(command->get_name());
      if (command->get_name() != word) continue;
      command_ = command;
      return absl::OkStatus();
    }
    return absl::InvalidArgumentError(absl::StrCat("unknown command ", Printable(word), DidYouMean(word, names)));
  }

  CLI::App* command_;
  const Texts arguments_;
  std::size_t next_ = 0;
  Texts read_;
};

}  // namespace

std::optional<int> ParseCommandLine(CLI::App& app, int argc, const char* const* argv, std::ostream& out,
                                    std::ostream& err) {
  const auto fail = [&](absl::string_view why) {
    err << app.get_name() << ": " << why << " (" << app.get_name() << " --help)\n";
    return kMisconfigured;
  };
  absl::StatusOr<Texts> arguments = Reader(app, Texts(argv + std::min(argc, 1), argv + argc)).Read();
  if (!arguments.ok()) return fail(arguments.status().message());
  std::reverse(arguments->begin(), arguments->end());  // As CLI11 wants them.
  try {
    app.parse(*std::move(arguments));
  } catch (const CLI::ExtrasError&) {
    const Texts extras = app.remaining(true);
    return fail(absl::StrCat("unexpected argument \"", extras.empty() ? "" : Printable(extras.front()), "\""));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) return app.exit(error, out, err);
    return fail(Printable(error.what()));
  }
  return std::nullopt;
}

}  // namespace ev::config
