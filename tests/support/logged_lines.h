#ifndef EV_TESTS_SUPPORT_LOGGED_LINES_H_
#define EV_TESTS_SUPPORT_LOGGED_LINES_H_

#include <stdexcept>
#include <string>
#include <vector>

#include "log/log.h"
#include "tests/support/temp_dir.h"

namespace ev {

// While it lives, the process logs into a file of its own instead of stderr, and Get() gives the newest lines.
class LoggedLines {
 public:
  LoggedLines() {
    const absl::Status redirected = log::RedirectToFile(folder_.File("log"));
    if (!redirected.ok()) throw std::runtime_error(redirected.ToString());
  }
  ~LoggedLines() { log::RedirectToStderr(); }
  LoggedLines(const LoggedLines&) = delete;
  LoggedLines& operator=(const LoggedLines&) = delete;

  std::vector<std::string> Get() const { return log::LastLines(200); }

 private:
  TempDir folder_;
};

}  // namespace ev

#endif  // EV_TESTS_SUPPORT_LOGGED_LINES_H_
