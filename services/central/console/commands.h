#ifndef EV_SERVICES_CENTRAL_CONSOLE_COMMANDS_H_
#define EV_SERVICES_CENTRAL_CONSOLE_COMMANDS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "domain/ids.h"
#include "domain/money.h"
#include "domain/session.h"
#include "services/central/core/effects.h"

namespace ev::central {

// What an operator may ask of Central. Each call may wait, but not for ever: DeadlineExceeded says that no answer came
// in time (what was asked may still be done), Unavailable that Central stops or cannot answer now. Errors of the core
// come as they are, with their reason.
class OperatorPort {
 public:
  virtual ~OperatorPort() = default;

  // In any order.
  virtual absl::StatusOr<std::vector<PointView>> ListPoints() = 0;
  virtual absl::StatusOr<PointView> GetPoint(const CpId& cp) = 0;
  // Newest first, at most `limit`. An empty driver means all.
  virtual absl::StatusOr<std::vector<Session>> OpenSessions(int limit) = 0;
  virtual absl::StatusOr<std::vector<Ticket>> Tickets(const DriverId& driver, int limit) = 0;
  // An empty charging point means the whole network. They answer with the charging points concerned as they are now.
  virtual absl::StatusOr<std::vector<PointView>> Stop(const CpId& cp, const std::string& reason) = 0;
  virtual absl::StatusOr<std::vector<PointView>> Resume(const CpId& cp) = 0;
  // For charges that are granted from now on.
  virtual absl::StatusOr<PointView> SetPrice(const CpId& cp, const Price& price) = 0;
  // Answers when the charging point has.
  virtual absl::StatusOr<Session> Charge(const DriverId& driver, const CpId& cp) = 0;
  virtual absl::StatusOr<Session> End(const SessionId& session) = 0;
};

// What is to be done beside printing the answer.
enum class ConsoleAction { kNone, kQuit, kShowPanel, kLeavePanel };

struct Answer {
  std::string text;  // Lines divided by '\n', without an end; may be empty.
  ConsoleAction action = ConsoleAction::kNone;
  int turn = 0;  // With kShowPanel: pages to go forward.
  int page = 0;  // With kShowPanel: the page to show, from 1; 0: the one that was shown.
};

// Carries out one command. An error names its cause and what to do next.
Answer Execute(absl::string_view line, OperatorPort& port);

// The commands, for completion.
std::vector<std::string> CommandWords();
// Whether the next word after `line` (which ends with a blank) is a charging point's id; `all` is then one too for
// some.
bool WantsPoint(absl::string_view line, bool& or_all);

}  // namespace ev::central

#endif  // EV_SERVICES_CENTRAL_CONSOLE_COMMANDS_H_
