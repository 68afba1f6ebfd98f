#include "kafka/log_sink.h"

#include "log/log.h"

namespace ev::kafka {

void ToLog(const Note& note) {
  log::Write(note);
}

}  // namespace ev::kafka
