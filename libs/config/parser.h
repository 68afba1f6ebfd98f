#ifndef EV_CONFIG_PARSER_H_
#define EV_CONFIG_PARSER_H_

#include <functional>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "config/option.h"

namespace ev::config {

struct Program {
  std::string name;     // ev-central
  std::string version;  // 0.1.0
  std::string summary;  // One sentence.
  std::vector<std::string> examples;
};

// The configuration of a program: flag, else environment, else file (--config), else the default, which is what the
// target held when it was declared.
//
//   config::Parser parser({.name = "ev-central", ...});
//   parser.Add("kafka-brokers", &options.brokers, "Kafka brokers, host:port, separated by commas").Required();
//   parser.Positional("kafka-brokers");
//   if (auto exit_code = parser.Run(argc, argv)) return *exit_code;
//
// Adds --config, --print-config, --check-config, --version and --help. Targets must outlive Run(). Not thread-safe.
class Parser {
 public:
  explicit Parser(Program program);
  ~Parser();

  // Options declared from here on stand under this heading in --help.
  void Group(std::string heading);

  // `name`: lower-case words joined by dashes. T as the Bind() functions of option.h take it. Declaring a name twice is
  // a bug.
  template <typename T>
  Option& Add(absl::string_view name, T* target, absl::string_view help) {
    return AddBound(name, help, Bind(target));
  }

  // The next argument without a flag is the same as --`name`. The option must have been declared.
  void Positional(absl::string_view name);

  // Runs, in the order given, when all options are set: for checks across options. An error is a misconfiguration: it
  // should begin with the option (`--kafka-brokers: ...`); where its value came from is added.
  void AtEnd(std::function<absl::Status()> check);

  // Returns the code to exit with (0 after --help and the like, 2 when misconfigured, everything that is wrong having
  // been said on `err`), or nullopt when the targets hold the configuration and the program should run.
  std::optional<int> Run(int argc, const char* const* argv);
  std::optional<int> Run(int argc, const char* const* argv, const std::vector<std::string>& environment,
                         std::ostream& out, std::ostream& err);

  const Program& program() const;

  // After Run().
  Source source(absl::string_view name) const;
  // What is odd but harmless (unknown EV_* variables): to be logged. Said on `err` when the program does not run.
  const std::vector<std::string>& warnings() const;

 private:
  struct Impl;
  Option& AddBound(absl::string_view name, absl::string_view help, Option::Binding binding);

  std::unique_ptr<Impl> impl_;
};

}  // namespace ev::config

#endif  // EV_CONFIG_PARSER_H_
