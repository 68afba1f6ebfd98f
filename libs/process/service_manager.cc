#include "process/service_manager.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "base/text.h"
#include "log/log.h"

namespace ev::process {
namespace {

// Of a socket whose reader does not keep up. That is systemd itself, which then has worse to do.
constexpr timeval kPatience = {.tv_sec = 1, .tv_usec = 0};

}  // namespace

std::string NotifySocket() {
  const char* address = std::getenv("NOTIFY_SOCKET");
  return address == nullptr ? "" : address;
}

// The protocol of sd_notify(3): one datagram of lines NAME=value for each thing said. These lines instead of
// libsystemd, which would bring compression and cryptography into programs that run in small images, too.
struct ServiceManager::State {
  State(metrics::Readiness& r, std::string a) : readiness(r), address(std::move(a)) {
    fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof(kPatience));
  }
  ~State() { ::close(fd); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  void Tell() {
    MutexLock lock(mutex);  // Around the question, too: what is asked later is said later.
    const metrics::Report report = readiness.Get();
    std::string news;
    if (report.health != metrics::Health::kNotReady && !std::exchange(told_ready, true)) news = "READY=1\n";
    if (report.is_stopping && !std::exchange(told_stopping, true)) news = "STOPPING=1\n";
    const std::string reasons = report.Reasons();
    const std::string status =
        Printable(absl::StrCat(metrics::ToString(report.health), reasons.empty() ? "" : ": ", reasons));
    if (news.empty() && status == told_status) return;
    told_status = status;
    Send(absl::StrCat(news, "STATUS=", status, "\n"), news.empty() ? MSG_DONTWAIT : 0);
  }

  void Send(const std::string& text, int flags) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    sockaddr_un to = {.sun_family = AF_UNIX, .sun_path = {}};
    errno = EINVAL;
    ssize_t sent = -1;
    if (address.size() < sizeof(to.sun_path) && (address.front() == '/' || address.front() == '@')) {
      address.copy(to.sun_path, address.size());
      if (address.front() == '@') to.sun_path[0] = '\0';
      const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size());
      sent = ::sendto(fd, text.data(), text.size(), MSG_NOSIGNAL | flags, reinterpret_cast<const sockaddr*>(&to), size);
    }
    if (sent >= 0 || std::exchange(failed, true)) return;
    log::Warn("the service manager cannot be told how this process is",
              {{"notify_socket", address}, {"reason", std::strerror(errno)}});
  }

  metrics::Readiness& readiness;
  const std::string address;
  int fd = -1;
  Mutex mutex;
  bool told_ready ABSL_GUARDED_BY(mutex) = false;
  bool told_stopping ABSL_GUARDED_BY(mutex) = false;
  bool failed ABSL_GUARDED_BY(mutex) = false;
  std::string told_status ABSL_GUARDED_BY(mutex);
};

ServiceManager::ServiceManager(metrics::Readiness& readiness, const std::string& address) {
  if (address.empty()) return;
  state_ = std::make_shared<State>(readiness, address);
  token_ = readiness.OnChange([state = state_] { state->Tell(); });
  state_->Tell();
}

}  // namespace ev::process
