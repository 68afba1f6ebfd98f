#ifndef EV_EVENTS_REPLAY_H_
#define EV_EVENTS_REPLAY_H_

#include "absl/strings/string_view.h"

namespace ev {

// Headers of a dead letter that was put back into the topic where it came from. When it fails again they go with it.
inline constexpr char kReplaysHeader[] = "ev-replays";             // How often, by now.
inline constexpr char kReplayedFromHeader[] = "ev-replayed-from";  // Topic/partition/offset of the dead letter.
// The only header but the key of a record without a body, in the dead letters' topic: partition/offset there of the
// letter that was put back.
inline constexpr char kReplayedHeader[] = "ev-replayed";

inline bool IsReplayHeader(absl::string_view name) {
  return name == kReplaysHeader || name == kReplayedFromHeader;
}

}  // namespace ev

#endif  // EV_EVENTS_REPLAY_H_
