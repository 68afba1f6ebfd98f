#ifndef EV_JOURNAL_FACT_LOG_H_
#define EV_JOURNAL_FACT_LOG_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "domain/fact.h"
#include "domain/ids.h"
#include "domain/link.h"

namespace ev::journal {

// Everything that one decision of the Engine keeps. Written as a whole.
struct LogWrite {
  std::optional<CpId> cp;           // The charging point that the log now belongs to.
  std::optional<GrantNumber> mark;  // The highest grant number seen.
  std::vector<Fact> facts;
  std::vector<Settlement> settled;  // Starts and finals whose room is free again.

  bool empty() const { return !cp && !mark && facts.empty() && settled.empty(); }
  // Puts `later` behind this one.
  void Append(LogWrite later);
};

// A session that has a start and no final: it was cut off when the process died.
struct OpenSession {
  Fact start;
  std::int64_t last_sequence = 0;
  std::int64_t last_energy_mwh = 0;
};

// What the log holds when it is opened.
struct LogContents {
  std::string id;  // 32 hexadecimal digits, made with the log: a new id means a new disk.
  CpId cp;         // Empty: the log has belonged to nobody yet.
  GrantNumber mark;
  std::int64_t capacity = 0;    // Facts that fit in all.
  std::vector<Fact> unsettled;  // Starts and finals, oldest first.
  std::optional<OpenSession> open;
};

// The charges that Central has not booked: their finals, and of one whose final is not kept its start, with the energy
// that was said last. A start alone that still waits is of a charge whose final is booked.
std::vector<Fact> UnbookedCharges(const LogContents& contents);

// A fact and where it stands: positions grow in the order of writing.
struct StoredFact {
  std::int64_t position = 0;
  Fact fact;
};

struct LogStats {
  std::int64_t starts_and_finals = 0;  // Not settled.
  std::int64_t samples = 0;            // Not acknowledged by the broker.
  std::int64_t thinned = 0;            // Samples dropped for want of room, since the log was opened.
  std::int64_t quarantined = 0;        // Refused starts and finals that are still kept.
};

// Where the Engine's facts are kept until they are done: a sample when the broker has acknowledged it, a start or a
// final when Central has settled it. Thread-safe.
//
// Room: samples give way to starts and finals, the oldest samples thinned first (every other one: energy is
// cumulative, so a gap changes no bill). Whoever accepts a session sees to it that its start and final fit.
class FactLog {
 public:
  virtual ~FactLog() = default;

  virtual absl::StatusOr<LogContents> Load() = 0;

  // Ok: all of it is kept, durably as far as this log can. Any error: none of its facts is.
  // ResourceExhausted: there is no room even after thinning. DataLoss: the medium failed.
  virtual absl::Status Write(const LogWrite& write) = 0;

  // The oldest facts above `after`, at most `limit`.
  virtual std::vector<StoredFact> Read(std::int64_t after, int limit) = 0;

  // Every unsettled start and final, oldest first: to be produced once more.
  virtual std::vector<StoredFact> ReadUnsettled() = 0;

  // The broker has stored this fact: a sample's room is free. A start or a final stays.
  virtual void Acknowledge(std::int64_t position) = 0;

  virtual LogStats Stats() const = 0;
};

}  // namespace ev::journal

#endif  // EV_JOURNAL_FACT_LOG_H_
