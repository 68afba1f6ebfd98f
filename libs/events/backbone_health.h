#ifndef EV_EVENTS_BACKBONE_HEALTH_H_
#define EV_EVENTS_BACKBONE_HEALTH_H_

#include <string>

#include "absl/time/time.h"

namespace ev {

// What one client of the event backbone knows about it now.
struct BackboneHealth {
  bool connected = false;
  std::string degraded_reason = "not connected yet";  // Empty while connected.
  std::string cluster_id;                             // As last heard; empty before the first connection.
  absl::Time since = absl::InfinitePast();            // When `connected` last changed.
};

}  // namespace ev

#endif  // EV_EVENTS_BACKBONE_HEALTH_H_
