#ifndef EV_CLI_EVCTL_REPLAY_H_
#define EV_CLI_EVCTL_REPLAY_H_

#include <cstdint>
#include <iosfwd>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "cli/evctl/read_log.h"

namespace ev::evctl {

// The first header of this name; empty: none.
std::string Header(const IncomingMessage& message, absl::string_view name);

// Where a dead letter stands.
struct Place {
  std::int32_t partition = 0;
  std::int64_t offset = 0;
};

std::string PlaceText(const Place& place);  // PARTITION/OFFSET.
// OFFSET, of partition 0, or PARTITION/OFFSET. InvalidArgument: neither.
absl::StatusOr<Place> ParsePlace(absl::string_view text);

// No dead letter, but a note that one was put back.
bool IsReplayMark(const IncomingMessage& message);

// What is chosen: all that fit each of these.
struct ReplayOptions {
  std::vector<std::string> letters;  // As ParsePlace() reads them; empty: any.
  std::string reason;                // Empty: any.
  absl::Time since = absl::InfinitePast();
  bool is_dry = false;  // Only says what it would do.
};

// Puts dead letters back into the topics where they came from, with their own key, body and headers, and prints a line
// for each. One that was put back before is left alone, as is one that has failed too often; what fails again comes
// back as a new dead letter. At most 10,000 in one run. InvalidArgument: it is not clear which. NotFound: none stands
// there, or none was put aside for this reason. FailedPrecondition: the broker refuses some for what they are; all
// others are put back. Unavailable: the broker has not confirmed all; what it has not confirmed is chosen again the
// next time, and a repeat bills nothing twice.
absl::Status ReplayDeadLetters(const ReadLogOptions& log, const ReplayOptions& options, std::ostream& out);

}  // namespace ev::evctl

#endif  // EV_CLI_EVCTL_REPLAY_H_
