#ifndef EV_KAFKA_REACHABILITY_H_
#define EV_KAFKA_REACHABILITY_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/note.h"
#include "events/backbone_health.h"

namespace ev::kafka {

// Whose health it is, and the messages of its notes. Literals.
struct Reachable {
  absl::string_view client;     // "producer"
  absl::string_view connected;  // Said at the first answer and at the first after an outage.
  absl::string_view away;       // Said once an outage, with the brokers and the reason.
};

// Turns answers and silences of the brokers into a health, and says each change once. No I/O; one thread.
class Reachability {
 public:
  Reachability(const Reachable& words, std::string brokers);

  // A broker answered. Returns what to say, if anything.
  std::optional<Note> OnAnswer(absl::string_view cluster_id, absl::Time now);
  // No broker answered in time. A different reason while still unreachable is kept but not said.
  std::optional<Note> OnSilence(absl::string_view reason, absl::Time now);

  const BackboneHealth& health() const { return health_; }

 private:
  const Reachable words_;
  const std::string brokers_;
  BackboneHealth health_;
  bool is_outage_said_ = false;
};

}  // namespace ev::kafka

#endif  // EV_KAFKA_REACHABILITY_H_
