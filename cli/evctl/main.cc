// evctl: the operator's command line. So far what scripts need: `get` and `tail` as JSON lines.

#include <CLI/CLI.hpp>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/evctl/get.h"
#include "cli/evctl/tail.h"
#include "config/command_line.h"
#include "process/stop_signal.h"
#include "process/version.h"

namespace {

// 0 done, 1 failed, 2 asked for something that cannot be.
int ExitCode(const absl::Status& status) {
  if (status.ok()) return 0;
  std::cerr << "evctl: " << std::string(status.message()) << '\n';
  return absl::IsInvalidArgument(status) ? 2 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Looks into a charging network: what Central knows, and what is on Kafka. Prints JSON, one object a line.",
      "evctl");
  app.set_help_flag("-h,--help", "print this and exit");
  app.set_version_flag("--version", absl::StrCat("evctl ", ev::process::Version()), "print the version and exit");
  app.footer(
      "Examples:\n"
      "  evctl get points\n"
      "  evctl get tickets --central localhost:6001\n"
      "  evctl tail charging_session_complete --kafka-brokers localhost:9092\n"
      "  evctl tail charging_session_data -o ancestor\n"
      "  evctl tail charging_status_updates --follow\n"
      "`evctl get --help` and `evctl tail --help` list what each takes.\n"
      "Exit: 0 done, 1 failed, 2 asked for something that cannot be.");

  ev::evctl::GetOptions get;
  CLI::App* get_command = app.add_subcommand("get", "What Central knows");
  get_command->footer(
      "Examples:\n  evctl get points\n  evctl get tickets --central localhost:6001 | jq .amount_micros");
  get_command->add_option("what", get.what, "points, sessions or tickets");
  get_command->add_option("--central", get.central, "Central, host:port")->envname("EV_CENTRAL")->capture_default_str();

  ev::evctl::TailOptions tail;
  std::vector<std::string> settings;
  CLI::App* tail_command = app.add_subcommand("tail", "What is on a topic, decoded, from its start");
  tail_command->footer(
      "Examples:\n"
      "  evctl tail charging_session_complete --kafka-brokers localhost:9092\n"
      "  evctl tail charging_status_updates --follow");
  tail_command->add_option("topic", tail.topic, "For example charging_session_data");
  tail_command->add_option("--kafka-brokers", tail.kafka.brokers, "Brokers, host:port, separated by commas")
      ->envname("EV_KAFKA_BROKERS")
      ->capture_default_str();
  tail_command->add_option("--kafka-config", settings, "Any librdkafka setting, key=value; may be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  std::string output = "json";
  tail_command
      ->add_option("-o,--output", output,
                   "json: the message as it is, beside where it stood; ancestor: flat, with the ancestor's field names "
                   "(type, message_id, cp_id, session_id, energy_consumed_kwh, total_cost, charging_rate, timestamp)")
      ->check(CLI::IsMember({"json", "ancestor"}))
      ->capture_default_str();
  bool follows = false;
  tail_command->add_flag("--follow", follows, "Stay and print what comes, until Ctrl-C");

  if (const auto exit_code = ev::config::ParseCommandLine(app, argc, argv, std::cout, std::cerr)) return *exit_code;
  if (*get_command) return ExitCode(ev::evctl::Get(get, std::cout));
  if (!*tail_command) return ExitCode(absl::InvalidArgumentError("which command? get or tail (evctl --help)"));
  if (tail.topic.empty()) return ExitCode(absl::InvalidArgumentError("tail: which topic? (evctl tail --help)"));
  for (const std::string& text : settings) {
    auto setting = ev::kafka::ParseSetting(text);
    if (!setting.ok()) return ExitCode(setting.status());
    tail.kafka.extra.push_back(*std::move(setting));
  }
  if (output == "ancestor") tail.format = ev::evctl::TailFormat::kAncestor;
  // Before any thread, so that all inherit its mask. Without --follow a signal just ends the program.
  std::optional<ev::process::StopSignal> stop;
  if (follows) stop.emplace();
  return ExitCode(ev::evctl::Tail(tail, follows ? &*stop : nullptr, std::cout));
}
