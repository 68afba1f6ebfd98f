#include "terminal/fd_writer.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/clock.h"

namespace ev::terminal {
namespace {

constexpr std::size_t kPiece = 4096;  // A pipe that can take something takes so much without blocking.
constexpr absl::Duration kHurry = absl::Milliseconds(500);

// One write() to a terminal is not mixed with others, however long; but it blocks where the reader does not read. So a
// description of our own that does not: the one we were given is shared with the shell.
int OpenTerminal(int fd) {
  if (::isatty(fd) != 1) return -1;
  return ::open(absl::StrCat("/proc/self/fd/", fd).c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

}  // namespace

FdWriter::FdWriter(int fd) : fd_(fd), write_fd_(OpenTerminal(fd)), hurry_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (write_fd_ < 0) write_fd_ = fd_;
}

FdWriter::~FdWriter() {
  if (write_fd_ != fd_) ::close(write_fd_);
  ::close(hurry_fd_);
}

void FdWriter::Hurry() {
  ::eventfd_write(hurry_fd_, 1);  // Never read: it stays.
}

bool FdWriter::Write(absl::string_view bytes) {
  const SystemClock clock;
  absl::Duration end = absl::InfiniteDuration();
  bool is_hurried = false;
  while (!bytes.empty()) {
    pollfd fds[] = {{.fd = write_fd_, .events = POLLOUT, .revents = 0},
                    {.fd = is_hurried ? -1 : hurry_fd_, .events = POLLIN, .revents = 0}};
    int timeout = -1;
    if (is_hurried) {
      const absl::Duration left = end - clock.Now().monotonic;
      if (left <= absl::ZeroDuration()) return false;
      timeout = static_cast<int>(absl::ToInt64Milliseconds(left)) + 1;
    }
    if (::poll(fds, 2, timeout) < 0 && errno != EINTR) return false;
    if (fds[1].revents != 0 && !is_hurried) {
      is_hurried = true;
      end = clock.Now().monotonic + kHurry;
    }
    if (fds[0].revents == 0) continue;
    const std::size_t size = write_fd_ == fd_ ? std::min(bytes.size(), kPiece) : bytes.size();
    const ssize_t written = ::write(write_fd_, bytes.data(), size);
    if (written >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno != EINTR && errno != EAGAIN) {
      return false;  // Nobody reads any more.
    }
  }
  return true;
}

}  // namespace ev::terminal
