#ifndef EV_EVENTS_PUBLISHER_H_
#define EV_EVENTS_PUBLISHER_H_

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "events/backbone_health.h"

namespace ev {

// Told once what became of a message, from a thread of the publisher: must not block and must not destroy the
// publisher. Ok: stored by the log. InvalidArgument: this message can never be stored. Anything else: perhaps stored,
// publish it again to be sure.
using DeliveryCallback = std::function<void(const absl::Status&)>;

struct OutgoingMessage {
  std::string topic;
  std::string key;  // Messages with the same key keep their order. Empty: any partition.
  std::string value;
  std::vector<std::pair<std::string, std::string>> headers;
  DeliveryCallback done;  // May be empty.
};

// Writes messages to the event log.
//
// Order: of two messages with the same topic and key, the one published first is stored first; after a failure told
// to `done`, later ones that were already accepted may be stored nevertheless. Thread-safe.
class Publisher {
 public:
  virtual ~Publisher() = default;

  // Takes the message into a bounded queue and returns at once; it stays there however long the broker is away.
  // When this returns an error nothing was taken and `done` will not be called:
  // ResourceExhausted: the queue is full, try again when some messages are done.
  // Unavailable: the publisher is closing.
  // InvalidArgument: this message can never be published (too large, bad topic name).
  virtual absl::Status Publish(OutgoingMessage message) = 0;

  // Waits until every message taken is done; DeadlineExceeded after `limit`, with the number left.
  virtual absl::Status Flush(absl::Duration limit) = 0;

  virtual BackboneHealth Health() const = 0;
};

}  // namespace ev

#endif  // EV_EVENTS_PUBLISHER_H_
