#ifndef EV_SERVICES_CENTRAL_CONSOLE_CONSOLE_H_
#define EV_SERVICES_CENTRAL_CONSOLE_CONSOLE_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "services/central/adapters/shard_host.h"

namespace ev::central {

struct ConsoleOptions {
  bool panel = true;         // On a terminal, and if it has room, the panel is there from the start.
  std::string log_file;      // Where the log goes on a terminal with a panel: the screen is the panel's.
  std::string history_file;  // Of the prompt.
  absl::Duration answer_limit = absl::Seconds(10);
};

// The operator at Central: the live panel and a prompt on a terminal; from a pipe, commands one a line and their
// answers on stdout. `help` lists the commands. The end of the input ends nothing but the reading.
//
// Make it before the host, so that it outlives it, and register it as an observer; Start() when Central serves, Stop()
// when it is about to end.
class Console final : public Observer {
 public:
  // `quit` asks the process to end; it may be called by any thread.
  Console(ConsoleOptions options, std::function<void()> quit);
  ~Console() override;

  // `title` is the panel's first line.
  void Start(ShardHost& host, absl::string_view title);
  // Ends the prompt and gives the terminal back, within a second also when nobody reads the output. The log goes to
  // stderr again. Before the host stops.
  void Stop();

  void OnSession(const SessionChanged& change) override;
  void OnPoint(const PointChanged& change) override;
  void OnDenied(const RequestDenied& denied) override;
  void OnDeadLetter(const DeadLettered&) override {}

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace ev::central

#endif  // EV_SERVICES_CENTRAL_CONSOLE_CONSOLE_H_
