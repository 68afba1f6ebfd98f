// evctl: the operator's command line.

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/text.h"
#include "cli/evctl/backup.h"
#include "cli/evctl/central.h"
#include "cli/evctl/completion.h"
#include "cli/evctl/config.h"
#include "cli/evctl/contexts.h"
#include "cli/evctl/dead_letters.h"
#include "cli/evctl/doctor.h"
#include "cli/evctl/get.h"
#include "cli/evctl/log_level.h"
#include "cli/evctl/orders.h"
#include "cli/evctl/prune.h"
#include "cli/evctl/replay.h"
#include "cli/evctl/table.h"
#include "cli/evctl/tail.h"
#include "cli/evctl/top.h"
#include "cli/evctl/watch.h"
#include "cli/evctl/words.h"
#include "config/command_line.h"
#include "events/topics.h"
#include "process/stop_signal.h"
#include "process/version.h"
#include "terminal/terminal.h"

namespace {

using namespace ev::evctl;  // NOLINT(google-build-using-namespace): this is evctl.

constexpr const char* kExamples =
    "Examples:\n"
    "  evctl doctor                                  # what is wrong, and what to do\n"
    "  evctl get points\n"
    "  evctl get tickets --since 7d -o csv > week.csv\n"
    "  evctl charge cp_001 --driver ann --target 10kWh --follow\n"
    "  evctl stop point cp_001 --reason 'cable damaged'\n"
    "  evctl describe session 0f3c...\n"
    "  evctl watch points\n"
    "  evctl top                                     # the network, live\n"
    "  evctl backup central.db\n"
    "  evctl tail charging_session_complete --kafka-brokers localhost:9092\n"
    "`evctl COMMAND --help` lists what each takes.\n"
    "Where Central and the brokers are: a flag (--central, --kafka-brokers), else the context that --context names, "
    "else\n"
    "the environment (EV_CENTRAL, EV_KAFKA_BROKERS), else the current context of `evctl config`, else localhost.\n"
    "Colours only on a terminal, and never with NO_COLOR.\n"
    "Exit: 0 done, also when what would go on for ever was asked to stop; 1 it failed: no answer, a refusal, what is\n"
    "not there, something that doctor found; 2 it was asked for wrongly: a word, a value or the file of contexts.";

int ExitCode(const absl::Status& status) {
  if (status.ok()) return 0;
  std::cerr << "evctl: " << ev::Printable(status.message()) << '\n';
  return absl::IsInvalidArgument(status) ? 2 : 1;
}

std::string Caller() {
  const char* user = std::getenv("USER");
  return absl::StrCat(ev::CutUtf8(ev::Printable(user == nullptr ? "" : user), 50), user == nullptr ? "" : " ",
                      "(evctl)");
}

// All that the arguments can say, and what they make of it.
class Program {
 public:
  Program() : app_("Looks into a charging network and changes it.", "evctl") {
    app_.set_help_flag("-h,--help", "print this and exit");
    app_.set_version_flag("--version", absl::StrCat("evctl ", ev::process::Version()), "print the version and exit");
    app_.footer(kExamples);
    order_.requested_by = Caller();
    AddGet();
    AddDescribe();
    AddWatch();
    AddTop();
    AddCharge();
    AddStop();
    AddWriteOff();
    AddAcceptCluster();
    AddDoctor();
    AddTail();
    AddDeadLetters();
    AddConfig();
    AddLogLevel();
    AddBackup();
    AddPrune();
    AddCompletion();
  }

  int Run(int argc, char** argv) {
    if (const auto exit_code = ev::config::ParseCommandLine(app_, argc, argv, std::cout, std::cerr)) return *exit_code;
    for (const auto& [command, run] : commands_) {
      if (!*command) continue;
      absl::Status status = CheckNotEmpty(*command);
      if (status.ok()) status = TakeContext(*command);
      return ExitCode(status.ok() ? Written(run()) : status);
    }
    return ExitCode(absl::InvalidArgumentError("which command? (evctl --help)"));
  }

 private:
  using Action = std::function<absl::Status()>;

  // An answer that nobody got is none. What stays until it is asked to stop may lose its reader.
  absl::Status Written(absl::Status status) const {
    if (!status.ok() || stop_.has_value() || std::cout.flush().good()) return status;
    return absl::UnavailableError("the answer could not be written");
  }
  using CentralAction = std::function<absl::Status(const Central&)>;

  // An empty text comes of a variable that is not set, and would mean something else than was meant.
  static absl::Status CheckNotEmpty(const CLI::App& command) {
    for (const CLI::Option* option : command.get_options()) {
      for (const std::string& value : option->results()) {
        if (!value.empty()) continue;
        return absl::InvalidArgumentError(
            absl::StrCat(option->get_name(), ": it is empty; leave it out, or say which"));
      }
    }
    return absl::OkStatus();
  }

  CLI::App* Add(const char* name, const char* what, const char* examples, Action action) {
    CLI::App* command = app_.add_subcommand(name, what);
    command->set_help_flag("-h,--help", "print this and exit");
    command->footer(absl::StrCat("Examples:\n", examples));
    commands_.emplace_back(command, std::move(action));
    return command;
  }

  // A command that calls Central.
  CLI::App* AddCentral(const char* name, const char* what, const char* examples, CentralAction action) {
    CLI::App* command = Add(name, what, examples, [this, action = std::move(action)]() -> absl::Status {
      // Before any thread, so that all inherit its mask. Else a signal just ends the program.
      if (follows_ || *watch_ || (*top_ && IsLive(LookOf()))) stop_.emplace();
      central_.limit = absl::Seconds(limit_s_);
      const auto central = Central::Make(central_);
      return central.ok() ? action(*central) : central.status();
    });
    command->add_option("--central", central_.address, "Central, host:port; also EV_CENTRAL")->capture_default_str();
    AddContext(command);
    command->add_option("--timeout", limit_s_, "Seconds that each call may take")
        ->check(CLI::Range(1, 3600))
        ->capture_default_str();
    return command;
  }

  void AddOutput(CLI::App* command, const char* what) {
    command->add_option("-o,--output", output_, what)->capture_default_str();
  }
  void AddKafka(CLI::App* command) {
    command
        ->add_option("--kafka-brokers", tail_.log.kafka.brokers,
                     "Brokers, host:port, separated by commas; also EV_KAFKA_BROKERS")
        ->capture_default_str();
    if (command->get_option_no_throw("--context") == nullptr) AddContext(command);
    command->add_option("--kafka-config", settings_, "Any librdkafka setting, key=value; may be repeated")
        ->type_name("KEY=VALUE")
        ->allow_extra_args(false);
  }
  // A command that uses a context: TakeContext() does, before it runs.
  void AddContext(CLI::App* command) {
    command
        ->add_option("--context", context_, "Whose Central and brokers, unless given otherwise; else the current one")
        ->type_name("NAME");
    AddFile(command);
  }
  void AddFile(CLI::App* command) {
    command
        ->add_option("--config", config_.file,
                     "The file of contexts; also EVCTL_CONFIG; else ${XDG_CONFIG_HOME:-~/.config}/evcharge/config.toml")
        ->type_name("FILE");
  }
  absl::Status TakeContext(const CLI::App& command) {
    const CLI::Option* name = command.get_option_no_throw("--context");
    if (name == nullptr) return absl::OkStatus();
    auto chosen = ChooseContext(config_.file, context_);
    if (!chosen.ok()) return chosen.status();
    chosen_ = *std::move(chosen);
    if (Take(command, "--central", "EV_CENTRAL", chosen_.context.central, central_.address)) {
      central_.context = chosen_.name;
    }
    Take(command, "--kafka-brokers", "EV_KAFKA_BROKERS", chosen_.context.kafka_brokers, tail_.log.kafka.brokers);
    return absl::OkStatus();
  }
  // Gives an option that no flag has set what the named context says, else the environment, else the current context;
  // whether a context has. Not CLI11's envname(): it reads the options of all commands, and those of the others would
  // go before a flag.
  bool Take(const CLI::App& command, const char* name, const char* variable, const std::string& said,
            std::string& value) const {
    const CLI::Option* option = command.get_option_no_throw(name);
    if (option == nullptr || option->count() > 0) return false;
    const char* set = std::getenv(variable);
    const bool is_set = set != nullptr && *set != '\0';
    const bool is_named = !context_.empty();  // Who names a context means its network.
    if (!said.empty() && (is_named || !is_set)) {
      value = said;
      return true;
    }
    if (is_set) value = set;
    return false;
  }
  absl::Status ReadSettings() {
    for (const std::string& text : settings_) {
      auto setting = ev::kafka::ParseSetting(text);
      if (!setting.ok()) return setting.status();
      tail_.log.kafka.extra.push_back(*std::move(setting));
    }
    return absl::OkStatus();
  }
  void AddReason(CLI::App* command) {
    command->add_option("--reason", order_.reason, "Why, for people; at most 200 bytes");
    command->add_option("--as", order_.requested_by, "Who orders it, shown at Central; at most 64 bytes")
        ->capture_default_str();
  }

  void AddGet() {
    CLI::App* command = AddCentral("get", "Lists what Central knows",
                                   "  evctl get points --state charging\n"
                                   "  evctl get sessions --driver ann -o wide\n"
                                   "  evctl get tickets --since 2026-11-01 --until 2026-12-01 -o csv > november.csv\n"
                                   "  evctl get tickets -o json | jq .amount_micros",
                                   [this](const Central& central) -> absl::Status {
                                     const auto output = ParseOutput(output_);
                                     if (!output.ok()) return output.status();
                                     get_.output = *output;
                                     get_.colored = ev::terminal::WantsColor(1);
                                     return Get(central, get_, std::cout);
                                   });
    command->add_option("what", get_.what, "points, sessions, tickets or gaps");
    AddOutput(command, "table, wide (a table with more columns), json (one object a line) or csv (every digit)");
    command->add_option("--driver", get_.driver, "Sessions and tickets of this driver");
    command->add_option("--point", get_.point, "Sessions and tickets of this charging point");
    command->add_option("--site", get_.site, "Charging points of this site");
    command->add_option("--state", get_.states, "Charging points or sessions in this state; may be repeated")
        ->allow_extra_args(false);
    command->add_option("--since", get_.since, "Tickets from then on: 30m, 24h, 7d, 2026-11-01, 2026-11-01T10:00:00Z");
    command->add_option("--until", get_.until, "Tickets before then");
  }

  void AddDescribe() {
    CLI::App* command = AddCentral("describe", "One charging point, session or ticket in full, from meter to bill",
                                   "  evctl describe point cp_001\n"
                                   "  evctl describe ticket 0f3c...",
                                   [this](const Central& central) -> absl::Status {
                                     if (!order_.what.empty() && order_.id.empty()) {
                                       return absl::InvalidArgumentError(absl::StrCat(
                                           "describe ", ev::Printable(order_.what), ": which one? its id follows"));
                                     }
                                     return Describe(central, order_.what, order_.id, std::cout);
                                   });
    command->add_option("what", order_.what, "point, session or ticket");
    command->add_option("id", order_.id, "Its id");
  }

  void AddWatch() {
    watch_ = AddCentral("watch", "What is there, then each change, until Ctrl-C",
                        "  evctl watch points\n"
                        "  evctl watch sessions -o json",
                        [this](const Central& central) -> absl::Status {
                          const auto output = ParseOutput(output_);
                          if (!output.ok()) return output.status();
                          return Watch(central, {order_.what, *output, ev::terminal::WantsColor(1)}, *stop_, std::cout);
                        });
    watch_->add_option("what", order_.what, "points or sessions");
    AddOutput(watch_, "table or json");
  }

  // A wrong -o makes none live: it is said by what runs then.
  TopOptions LookOf() const { return {ParseOutput(output_).value_or(Output::kJson), once_}; }
  void AddTop() {
    top_ = AddCentral("top", "The network live on the terminal, the highest power first, until q or Ctrl-C",
                      "  evctl top\n"
                      "  evctl top -o wide\n"
                      "  evctl top --once                 # one snapshot, as on anything that is no terminal\n"
                      "  evctl top -o csv > now.csv",
                      [this](const Central& central) -> absl::Status {
                        if (const auto output = ParseOutput(output_); !output.ok()) return output.status();
                        return ev::evctl::Top(central, LookOf(), stop_.has_value() ? &*stop_ : nullptr,
                                              ev::terminal::WantsColor(1), std::cout);
                      });
    top_->add_flag("--once", once_, "One snapshot");
    AddOutput(top_, "table or wide; json or csv: one snapshot, as get points prints it");
  }

  void AddCharge() {
    CLI::App* command = AddCentral("charge", "Asks for a charge, as a driver does",
                                   "  evctl charge cp_001 --driver ann\n"
                                   "  evctl charge cp_001 --driver ann --target 5.50EUR --follow",
                                   [this](const Central& central) -> absl::Status {
                                     if (charge_.point.empty()) {
                                       return absl::InvalidArgumentError("charge: at which charging point?");
                                     }
                                     if (charge_.driver.empty()) {
                                       return absl::InvalidArgumentError("charge: for whom? --driver names the driver");
                                     }
                                     return Charge(central, charge_, follows_ ? &*stop_ : nullptr, std::cout);
                                   });
    command->add_option("point", charge_.point, "The charging point's id");
    command->add_option("--driver", charge_.driver, "The driver's id");
    command->add_option("--target", charge_.target,
                        "10kWh, 500Wh, 5.50EUR or 30min; without: until the vehicle is full");
    command->add_flag("--follow", follows_, "Stay until its end and print the bill; Ctrl-C leaves it running");
  }

  void AddStop() {
    CLI::App* stop = AddCentral("stop", "Takes a charging point, or all, out of service; or ends a session",
                                "  evctl stop point cp_001 --reason 'cable damaged'\n"
                                "  evctl stop all --reason storm                  # until: evctl resume all\n"
                                "  evctl stop session 0f3c...",
                                [this](const Central& central) { return Stop(central, order_, std::cout); });
    stop->add_option("what", order_.what, "point, session or all");
    stop->add_option("id", order_.id, "Its id; none of all");
    AddReason(stop);
    CLI::App* resume = AddCentral("resume", "Puts a charging point, or all, back into service",
                                  "  evctl resume point cp_001\n"
                                  "  evctl resume all",
                                  [this](const Central& central) { return Resume(central, order_, std::cout); });
    resume->add_option("what", order_.what, "point or all");
    resume->add_option("id", order_.id, "Its id; none of all");
    AddReason(resume);
  }

  void AddWriteOff() {
    CLI::App* command =
        AddCentral("write-off", "Closes a session whose final figures will not come, with an estimated ticket",
                   "  evctl get sessions --state awaiting_final\n"
                   "  evctl write-off 0f3c... --reason 'point scrapped'",
                   [this](const Central& central) -> absl::Status {
                     if (order_.id.empty()) return absl::InvalidArgumentError("write-off: which session?");
                     return WriteOff(central, order_, std::cout);
                   });
    command->add_option("session", order_.id, "The session's id");
    AddReason(command);
  }

  void AddAcceptCluster() {
    CLI::App* command =
        AddCentral("accept-cluster", "Consents to a broker with another cluster id",
                   "  evctl doctor                     # shows the id that waits\n"
                   "  evctl accept-cluster M1ZiuX...",
                   [this](const Central& central) -> absl::Status {
                     if (order_.id.empty()) {
                       return absl::InvalidArgumentError("accept-cluster: which? `evctl doctor` shows it");
                     }
                     return AcceptCluster(central, order_, std::cout);
                   });
    command->add_option("cluster", order_.id, "The cluster's id");
  }

  void AddDoctor() {
    CLI::App* command =
        AddCentral("doctor", "Reaches Central and the brokers, and says what is wrong and what to do",
                   "  evctl doctor\n"
                   "  evctl doctor --central localhost:6001 --kafka-brokers localhost:9092",
                   [this](const Central& central) -> absl::Status {
                     if (auto status = ReadSettings(); !status.ok()) return status;
                     return Doctor(central, tail_.log.kafka, chosen_, ev::terminal::WantsColor(1), std::cout);
                   });
    AddKafka(command);
  }

  void AddTail() {
    CLI::App* command = Add("tail", "What is on a topic, decoded, from its start",
                            "  evctl tail charging_session_complete --kafka-brokers localhost:9092\n"
                            "  evctl tail charging_session_data -o ancestor\n"
                            "  evctl tail charging_status_updates --follow",
                            [this] { return RunTail(); });
    command->add_option("topic", tail_.log.topic, "For example charging_session_data");
    AddKafka(command);
    command
        ->add_option(
            "-o,--output", tail_output_,
            "json: the message as it is, beside where it stood; ancestor: flat, with the ancestor's field names "
            "(type, message_id, cp_id, session_id, energy_consumed_kwh, total_cost, charging_rate, timestamp)")
        ->check(CLI::IsMember({"json", "ancestor"}))
        ->capture_default_str();
    command->add_option("--point", tail_.point, "Only what is about this charging point");
    command->add_option("--session", tail_.session, "Only what is about this session");
    command->add_flag("--follow", follows_, "Stay and print what comes, until Ctrl-C");
  }

  void AddDeadLetters() {
    CLI::App* command = Add("dead-letters", "What Central could not use, with why and where it stood",
                            "  evctl dead-letters list\n"
                            "  evctl dead-letters list -o csv > letters.csv\n"
                            "  evctl dead-letters show 17                      # the whole message\n"
                            "  evctl dead-letters replay 17                    # once its cause is mended\n"
                            "  evctl dead-letters replay --reason UNDECODABLE --since 24h --dry-run",
                            [this] { return RunDeadLetters(); });
    command->add_option("what", order_.what, "list, show or replay");
    command->add_option("offset", replay_.letters, "Of show and replay: which; of a partition but 0: PARTITION/OFFSET");
    command->add_option("--reason", replay_.reason, "Of replay: all that were put aside for this reason");
    command->add_option("--since", replay_since_, "Of replay: all that were put aside since then: 24h, 7d, 2026-11-01");
    command->add_flag("--all", replays_all_, "Of replay: all");
    command->add_flag("--dry-run", replay_.is_dry, "Of replay: only say what would be put back");
    command->add_option("--topic", letters_topic_, "Central's --topic-dead-letter")->capture_default_str();
    AddOutput(command, "table or csv");
    AddKafka(command);
  }

  absl::Status RunDeadLetters() {
    if (auto status = ReadSettings(); !status.ok()) return status;
    tail_.log.topic = letters_topic_;
    const bool has_choice = !replay_.reason.empty() || !replay_since_.empty() || replays_all_ || replay_.is_dry;
    if (has_choice && (order_.what == "list" || order_.what == "show")) {
      return absl::InvalidArgumentError(absl::StrCat(
          "dead-letters ", order_.what, " takes none of --reason, --since, --all and --dry-run: replay does"));
    }
    if (order_.what == "list") {
      if (!replay_.letters.empty()) {
        return absl::InvalidArgumentError("dead-letters list lists all; show shows one");
      }
      const auto output = ParseOutput(output_);
      if (!output.ok()) return output.status();
      return ListDeadLetters(tail_.log, *output, ev::terminal::WantsColor(1), std::cout);
    }
    if (order_.what == "replay") return RunReplay();
    if (order_.what != "show") return NotOneOf("dead-letters", order_.what, {"list", "show", "replay"});
    if (replay_.letters.size() != 1) {
      return absl::InvalidArgumentError("dead-letters show: which one? evctl dead-letters list shows their offsets");
    }
    const auto place = ParsePlace(replay_.letters[0]);
    return place.ok() ? ShowDeadLetter(tail_.log, *place, std::cout) : place.status();
  }

  absl::Status RunReplay() {
    const bool is_chosen = !replay_.letters.empty() || !replay_.reason.empty() || !replay_since_.empty();
    if (is_chosen == replays_all_) {
      return absl::InvalidArgumentError("dead-letters replay: which? offsets, --reason, --since, or --all of them");
    }
    if (!replay_since_.empty()) {
      const auto since = ParseTime(replay_since_, absl::Now());
      if (!since.ok()) return absl::InvalidArgumentError(absl::StrCat("--since: ", since.status().message()));
      replay_.since = *since;
    }
    return ReplayDeadLetters(tail_.log, replay_, std::cout);
  }

  absl::Status RunTail() {
    if (tail_.log.topic.empty()) return absl::InvalidArgumentError("tail: which topic? (evctl tail --help)");
    if (auto status = ReadSettings(); !status.ok()) return status;
    if (tail_output_ == "ancestor") tail_.format = TailFormat::kAncestor;
    if (follows_) stop_.emplace();
    return Tail(tail_, follows_ ? &*stop_ : nullptr, std::cout);
  }

  void AddConfig() {
    CLI::App* command = Add("config", "The contexts: networks with a name, of which one is current",
                            "  evctl config set-context north --central central.north.example:50051\n"
                            "  evctl config use-context north\n"
                            "  evctl config get-contexts\n"
                            "  evctl get points --context south        # once, another than the current one",
                            [this] { return Config(config_, std::cout); });
    command->add_option("what", config_.what,
                        "get-contexts, current-context, use-context, set-context, delete-context or view");
    command->add_option("name", config_.name, "The context's name");
    command->add_option("--central", config_.central, "Of set-context: its Central, host:port");
    command->add_option("--kafka-brokers", config_.kafka_brokers,
                        "Of set-context: its brokers, host:port, separated by commas");
    command->add_option("-o,--output", config_.output, "Of get-contexts: table or name")->capture_default_str();
    AddFile(command);
  }

  void AddBackup() {
    CLI::App* command = AddCentral("backup", "Copies Central's store into a file while Central runs",
                                   "  evctl backup central-2026-11-01.db\n"
                                   "  evctl backup latest.db --force",
                                   [this](const Central& central) -> absl::Status {
                                     if (backup_.file.empty()) {
                                       return absl::InvalidArgumentError("backup: into which file?");
                                     }
                                     backup_.shows_progress = ::isatty(2) == 1;
                                     return Backup(central, backup_, std::cout);
                                   });
    command->remove_option(command->get_option("--timeout"));  // A copy takes as long as the store is big.
    command->add_option("file", backup_.file, "Where to; FILE.part until all has come");
    command->add_flag("--force", backup_.is_forced, "Replace the file when it is there");
  }

  void AddPrune() {
    CLI::App* command =
        AddCentral("prune", "Removes from Central's store what is old and bills nothing",
                   "  evctl prune --older-than 90d                    # what would go\n"
                   "  evctl prune --older-than 90d --yes\n"
                   "Denied and expired sessions without energy, and refusals. Tickets and their sessions "
                   "stay.",
                   [this](const Central& central) -> absl::Status {
                     if (prune_.before.empty()) {
                       return absl::InvalidArgumentError("prune: how old? --older-than 90d");
                     }
                     prune_.requested_by = order_.requested_by;
                     return Prune(central, prune_, std::cout);
                   });
    command->add_option("--older-than,--before", prune_.before, "90d, 2000h, or before 2026-01-01; at least 7d");
    CLI::Option* yes = command->add_flag("--yes", prune_.is_meant, "Remove them; without, only say what would go");
    command->add_flag("--dry-run", is_dry_, "Only say what would go; so it is without --yes")->excludes(yes);
  }

  void AddLogLevel() {
    CLI::App* command = AddCentral("log-level", "Shows or sets how much Central, or another service, logs",
                                   "  evctl log-level\n"
                                   "  evctl log-level debug --for 10m                 # then as before\n"
                                   "  evctl log-level warn --address localhost:50052  # an Engine's",
                                   [this](const Central& central) -> absl::Status {
                                     if (log_level_.address.empty()) log_level_.address = central.address();
                                     log_level_.limit = central.limit();
                                     return LogLevel(log_level_, std::cout);
                                   });
    command->add_option("level", log_level_.level, "debug, info, warn or error; without: what is set");
    command->add_option("--for", log_level_.duration, "Then back to what was set before: 30s, 10m, 2h; at most 24h");
    command->add_option("--address", log_level_.address, "The gRPC address of an Engine, Monitor or Driver, host:port");
  }

  void AddCompletion() {
    CLI::App* command = Add("completion", "Prints a shell's completion of evctl",
                            "  source <(evctl completion bash)\n"
                            "  source <(evctl completion zsh)",
                            [this] { return PrintCompletion(app_, order_.what, std::cout); });
    command->add_option("shell", order_.what, "bash or zsh");
  }

  CLI::App app_;
  std::vector<std::pair<CLI::App*, Action>> commands_;
  CLI::App* watch_ = nullptr;
  CLI::App* top_ = nullptr;
  std::optional<ev::process::StopSignal> stop_;  // Of what stays until it is asked to stop.
  std::string context_;                          // --context.
  ChosenContext chosen_;
  ConfigOptions config_;
  CentralOptions central_;
  int limit_s_ = 10;
  std::string output_ = "table";
  GetOptions get_;
  OrderOptions order_;
  ChargeOptions charge_;
  TailOptions tail_;
  ReplayOptions replay_;
  std::string replay_since_;
  bool replays_all_ = false;
  bool is_dry_ = false;
  BackupOptions backup_;
  PruneOptions prune_;
  LogLevelOptions log_level_;
  std::string tail_output_ = "json";
  std::string letters_topic_ = ev::Topics().dead_letter.name;
  std::vector<std::string> settings_;
  bool follows_ = false;
  bool once_ = false;
};

}  // namespace

int main(int argc, char** argv) {
  return Program().Run(argc, argv);
}
