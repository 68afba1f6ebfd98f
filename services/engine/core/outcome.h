#ifndef EV_SERVICES_ENGINE_CORE_OUTCOME_H_
#define EV_SERVICES_ENGINE_CORE_OUTCOME_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/note.h"
#include "domain/link.h"
#include "journal/fact_log.h"

namespace ev::engine {

// The Engine as it stands: the report that goes to Central, and what is seen on the spot.
struct Status {
  CpId cp;
  EngineReport report;
  std::string waiting_for;  // A vehicle is plugged in under a grant: why energy does not flow yet.
  bool energy_flows = false;
  bool monitor_present = false;
  LinkEpoch link_epoch;                          // The newest link's.
  std::optional<absl::Duration> central_age;     // Nothing: Central was not heard on this link.
  std::optional<Configuration> configuration;    // This link's.
  std::optional<Grant> grant;                    // Of the session that holds the charging point.
  absl::Time last_start = absl::InfinitePast();  // Of the newest session's energy.
  std::optional<absl::Time> oldest_unsettled;  // When the oldest start or final happened that Central has not settled.
  std::int64_t register_mwh = 0;
  std::int64_t power_w = 0;
};

// Where the answer to a person's request goes: given with the request.
using RequestToken = std::int64_t;

struct RequestResult {
  RequestToken token = 0;
  PointRequestAnswer answer;
};

// What the core wants done. The contactor is served at once; `log` is written before anything after it is shown.
struct Outcome {
  // Open it, read the meter, and call ContactorOpened().
  bool open_contactor = false;
  // Close it; it opens by itself at this register.
  std::optional<std::int64_t> close_contactor_at_mwh;

  journal::LogWrite log;  // When it holds a start: call StartWritten() after it was written.

  std::optional<Status> status;        // To the Monitor and to watchers: something changed, or a second has passed.
  bool status_changed = false;         // More than figures.
  std::vector<PointRequest> requests;  // To Central, through the Monitor.
  std::vector<RequestResult> request_results;
  bool produce_again = false;  // Every unsettled start and final.
  std::vector<Note> notes;

  // Puts `later` behind this one.
  void Append(Outcome later);
};

}  // namespace ev::engine

#endif  // EV_SERVICES_ENGINE_CORE_OUTCOME_H_
