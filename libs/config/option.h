#ifndef EV_CONFIG_OPTION_H_
#define EV_CONFIG_OPTION_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace ev::config {

enum class Source { kDefault, kFile, kEnvironment, kFlag };

// One setting: the name `kafka-brokers` is the flag --kafka-brokers, the variable EV_KAFKA_BROKERS and the file key
// kafka.brokers. Made by Parser::Add; the methods narrow what it takes and return it for chaining. They may be called
// until Parser::Run().
class Option {
 public:
  // How a target takes texts (one, or several for a list) and shows its present value.
  struct Binding {
    std::string type;  // Shown in --help: TEXT, DURATION, ...
    bool is_switch = false;
    bool is_list = false;
    std::function<absl::Status(const std::vector<std::string>&)> set;
    std::function<std::vector<std::string>()> show;
    std::function<double()> number;  // For Range; durations in seconds. Null for other types.
  };

  Option(absl::string_view name, absl::string_view help, Binding binding);

  Option& Secret();                          // Its value is never shown.
  Option& Required();                        // May not be empty.
  Option& Range(double least, double most);  // Numbers.
  Option& Range(absl::Duration least, absl::Duration most);
  Option& OneOf(std::vector<std::string> words);
  Option& EnvAlias(std::string variable);  // A second variable; EV_* wins, both with different values is an error.
  Option& Check(std::function<absl::Status(const std::string& text)> check);  // Each text, however it was given.

  const std::string& name() const { return name_; }
  const std::string& help() const { return help_; }
  const Binding& binding() const { return binding_; }
  const std::string& env_alias() const { return env_alias_; }
  std::string flag() const;      // --kafka-brokers
  std::string variable() const;  // EV_KAFKA_BROKERS
  std::string file_key() const;  // kafka.brokers
  std::string Description() const;

  // Takes a value or says what is wrong with it; no prefix, the caller knows who asked.
  absl::Status Set(const std::vector<std::string>& texts);
  // The checks that hold for the default, too.
  absl::Status Validate() const;
  // As --print-config shows it: masked where it is secret.
  std::vector<std::string> Shown() const;

 private:
  std::string name_;
  std::string help_;
  Binding binding_;
  std::string env_alias_;
  std::string limits_;  // For --help: "1s to 1m".
  bool secret_ = false;
  std::vector<std::function<absl::Status()>> validators_;
  std::vector<std::function<absl::Status(const std::string&)>> checks_;
};

Option::Binding Bind(std::string* target);
Option::Binding Bind(bool* target);
Option::Binding Bind(int* target);
Option::Binding Bind(std::int64_t* target);
Option::Binding Bind(double* target);
Option::Binding Bind(absl::Duration* target);
// Lists: the flag may be repeated, the file holds an array, the variable separates by semicolons.
Option::Binding Bind(std::vector<std::string>* target);
// key=value each; the later of two equal keys wins. Values of keys that sound secret (base/secret.h) are masked where
// they are shown.
Option::Binding Bind(std::map<std::string, std::string>* target);

}  // namespace ev::config

#endif  // EV_CONFIG_OPTION_H_
