#include "process/stop_signal.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <csignal>
#include <cstdint>

namespace ev::process {
namespace {

sigset_t StopSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
  return set;
}

std::string NameOf(std::uint32_t signal) {
  if (signal == SIGTERM) return "SIGTERM";
  return signal == SIGINT ? "SIGINT" : "SIGHUP";
}

void UnblockInterrupt() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

}  // namespace

// A signalfd takes blocked signals as sigwait does, and can be waited for together with the event of a request.
StopSignal::StopSignal() {
  const sigset_t set = StopSignals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  event_fd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  signal_fd_ = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  assert(event_fd_ >= 0 && signal_fd_ >= 0);
}

StopSignal::~StopSignal() {
  ::close(signal_fd_);
  ::close(event_fd_);
  const sigset_t set = StopSignals();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

void StopSignal::RequestStop(absl::string_view why) {
  {
    MutexLock lock(mutex_);
    if (!why_.empty()) return;
    why_ = why.empty() ? "requested" : std::string(why);
  }
  ::eventfd_write(event_fd_, 1);
}

std::string StopSignal::Wait() {
  while (true) {
    if (auto why = WaitFor(absl::Hours(1))) return *why;
  }
}

std::optional<std::string> StopSignal::WaitFor(absl::Duration limit) {
  pollfd fds[] = {{.fd = signal_fd_, .events = POLLIN, .revents = 0},
                  {.fd = event_fd_, .events = POLLIN, .revents = 0}};
  ::poll(fds, 2, static_cast<int>(std::max<std::int64_t>(0, absl::ToInt64Milliseconds(limit))));
  if (signalfd_siginfo info; ::read(signal_fd_, &info, sizeof(info)) == sizeof(info)) {
    UnblockInterrupt();
    return NameOf(info.ssi_signo);
  }
  MutexLock lock(mutex_);  // The event is never read: a request stays.
  if (why_.empty()) return std::nullopt;
  UnblockInterrupt();
  return why_;
}

}  // namespace ev::process
