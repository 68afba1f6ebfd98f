#ifndef EV_SERVICES_DRIVER_ADAPTERS_CONSOLE_H_
#define EV_SERVICES_DRIVER_ADAPTERS_CONSOLE_H_

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "domain/ids.h"
#include "services/driver/adapters/agent.h"
#include "services/driver/adapters/central_client.h"
#include "services/driver/adapters/printer.h"

namespace ev::driver {

struct ConsoleOptions {
  DriverId driver;
  bool is_interactive = false;  // A person types: nothing waits for an answer, and the end of the input is goodbye.
  absl::Duration pause = absl::Seconds(4);
  absl::Duration charge_limit = absl::InfiniteDuration();  // Of one charge of a list.
};

// The driver's prompt: commands in, lines out. `help` lists them.
//
// From a pipe, commands are carried out one after the other (a `charge` until Central has answered, an `auto` until the
// list is done), and at the end of the input the program is done when every charge has come to its end. An input
// without a single command is none: then the program serves on.
class Console {
 public:
  // `done` comes once, from any thread, when the program should end. All must outlive the console; destroy the reader
  // of the commands and the agent's thread first.
  Console(const ConsoleOptions& options, Agent& agent, CentralClient& client, Printer& printer,
          std::function<void()> done);

  // Follows the driver and shows what happens from now on.
  void Begin();
  // The driver's last ticket, if Central tells it in time.
  void Greet();

  // One command. May wait, until Stop().
  void OnLine(const std::string& line);
  // No more commands.
  void OnEnd();
  // What waits in OnLine() returns. Says which requests have not come to their end.
  void Stop();

  // As if `auto` with these were the only command, without waiting.
  void RunRequests(std::vector<CpId> requests);

  // 1 when a charge was denied or failed, or a command was none, or Stop() left requests undone; else 0.
  int exit_code() const;

  std::vector<std::string> Complete(absl::string_view line, absl::string_view word) const;

 private:
  void ListPoints();
  void StartCharge(absl::string_view arguments);
  void StopCharge(absl::string_view arguments);
  void ShowStatus();
  void ShowHistory();
  void RunFile(const std::string& path);
  // `finished` is set, under the lock, with the list's end.
  absl::Status RunList(std::vector<CpId> requests, const std::shared_ptr<bool>& finished);
  void Usage(absl::string_view text);
  absl::Status CheckCurrency(const CpId& cp, const std::string& currency);

  void OnTold(const Told& told);
  void OnStep(const ListStep& step);
  void OnConclusion(const CpId& cp, const Conclusion& conclusion);
  // Counts one thing that the end waits for, and its end.
  void Begun(const std::vector<CpId>& requests);
  void Done(const CpId& request);
  void Ended(const ListProgress& counts);
  void EndIfDone() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // In a pipe: until `settled` is true.
  void WaitFor(const bool& settled) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const ConsoleOptions options_;
  Agent& agent_;
  CentralClient& client_;
  Printer& printer_;
  const std::function<void()> done_;

  mutable Mutex mutex_;
  CondVar changed_;
  int open_ ABSL_GUARDED_BY(mutex_) = 0;                     // Charges and lists that are not at their end.
  std::vector<std::string> undone_ ABSL_GUARDED_BY(mutex_);  // Requests without a conclusion, oldest first.
  int commands_ ABSL_GUARDED_BY(mutex_) = 0;
  ListProgress counts_ ABSL_GUARDED_BY(mutex_);
  bool has_bad_command_ ABSL_GUARDED_BY(mutex_) = false;
  bool input_ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_done_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::set<std::string> known_points_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ev::driver

#endif  // EV_SERVICES_DRIVER_ADAPTERS_CONSOLE_H_
