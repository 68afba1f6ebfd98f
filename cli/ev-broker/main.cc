// ev-broker: the embedded broker as a program, for the demo and for trying things out.

#include <pthread.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "config/command_line.h"
#include "events/topics.h"
#include "kafka/embedded_broker.h"
#include "process/version.h"

namespace {

constexpr int kFailed = 1;
constexpr int kMisconfigured = 2;

constexpr const char* kDescription =
    "Serves Kafka's protocol on 127.0.0.1 from memory, with EVCharge's topics.\n"
    "NOT DURABLE: everything is gone when it ends, and of each partition only the newest 5 MiB are kept.\n"
    "A broker for more than a demonstration is started by tools/kafka, or is your own cluster.";

constexpr const char* kExamples =
    "Examples:\n"
    "  ev-broker                          # 127.0.0.1:9092\n"
    "  ev-broker --port 0                 # a free port, printed\n"
    "  ev-broker --topic my_alerts        # for ev-central --topic-alerts my_alerts\n"
    "  kcat -b localhost:9092 -C -t charging_status_updates\n"
    "Exit: 0 asked to stop (SIGTERM, SIGINT), 1 failed (the port is taken), 2 wrong arguments.";

int Fail(const absl::Status& status, int code) {
  std::cerr << "ev-broker: " << status.message() << std::endl;
  return code;
}

void WaitForSignal(const sigset_t& signals) {
  int signal = 0;
  sigwait(&signals, &signal);
}

}  // namespace

int main(int argc, char** argv) {
  // First thing, so that every thread made later inherits it: signals are taken by sigwait() alone.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  int port = 9092;
  ev::Topics topics;
  int fact_partitions = topics.session_data.partitions;
  CLI::App app(kDescription, "ev-broker");
  app.footer(kExamples);
  app.set_help_flag("-h,--help", "print this and exit");
  app.set_version_flag("--version", absl::StrCat("ev-broker ", ev::process::Version()), "print the version and exit");
  app.add_option("--port", port, "Port on 127.0.0.1; 0 takes a free one")
      ->check(CLI::Range(0, 65535))
      ->envname("EV_BROKER_PORT")
      ->capture_default_str();
  app.add_option("--partitions", fact_partitions, "Partitions of the two fact topics: what Central's shards are")
      ->check(CLI::Range(1, 1000))
      ->envname("EV_BROKER_PARTITIONS")
      ->capture_default_str();
  std::vector<std::string> more;
  app.add_option("--topic", more, "A further topic, with as many partitions: what a --topic-* of Central names");
  if (const auto exit_code = ev::config::ParseCommandLine(app, argc, argv, std::cout, std::cerr)) return *exit_code;
  topics.session_data.partitions = fact_partitions;
  topics.session_complete.partitions = fact_partitions;
  if (absl::Status status = ev::ValidateTopics(topics); !status.ok()) return Fail(status, kMisconfigured);

  std::vector<ev::TopicConfig> all = topics.All();
  for (const std::string& name : more) {
    topics.alerts.name = name;  // A further topic is held to the same rules.
    if (absl::Status status = ev::ValidateTopics(topics); !status.ok()) return Fail(status, kMisconfigured);
    all.push_back({.name = name, .partitions = fact_partitions});
  }
  absl::StatusOr<std::unique_ptr<ev::kafka::EmbeddedBroker>> broker = ev::kafka::EmbeddedBroker::Start(port, all);
  if (!broker.ok()) return Fail(broker.status(), kFailed);
  std::cout << "ev-broker listens on " << (*broker)->bootstrap() << " (in memory only: nothing is durable)\n";
  for (const ev::TopicConfig& topic : all) {
    std::cout << "topic " << topic.name << ", partitions: " << topic.partitions << "\n";
  }
  std::cout << std::flush;
  WaitForSignal(signals);
  broker->reset();
  return 0;
}
