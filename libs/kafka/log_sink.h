#ifndef EV_KAFKA_LOG_SINK_H_
#define EV_KAFKA_LOG_SINK_H_

#include <functional>

#include "base/note.h"

namespace ev::kafka {

// Where the library's notes go. Called from any thread, also while the caller holds locks: must not block and must not
// call back into the library. Empty: nothing is logged.
using LogSink = std::function<void(const Note&)>;

// The sink of programs: their own log (log/log.h).
void ToLog(const Note& note);

}  // namespace ev::kafka

#endif  // EV_KAFKA_LOG_SINK_H_
