#include "cli/evctl/top.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <memory>
#include <ostream>
#include <random>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/text.h"
#include "cli/evctl/fleet.h"
#include "cli/evctl/json.h"
#include "cli/evctl/rows.h"
#include "rpc/client_streams.h"
#include "rpc/live_streams.h"
#include "terminal/fd_writer.h"
#include "terminal/screen.h"

namespace ev::evctl {
namespace {

namespace central_pb = evcharging::central::v1;

constexpr absl::Duration kSilence = absl::Seconds(25);  // Two heartbeats, and some.
constexpr BackoffPolicy kRetry = {.initial = absl::Milliseconds(200), .max = absl::Seconds(2)};
constexpr absl::Duration kLook = absl::Milliseconds(200);     // At the window, and whether a stream has ended.
constexpr absl::Duration kRefresh = absl::Milliseconds(500);  // Of the figures, at most.
constexpr absl::Duration kStreamsEnd = absl::Seconds(5);

absl::Duration Now() {
  return SystemClock().Now().monotonic;
}

// The two Watch streams that a Fleet follows, opened again when they end. Thread-safe.
class Feed {
 public:
  explicit Feed(const Central& central) : central_(central) { Tick(); }
  ~Feed() {
    streams_.CloseAll(absl::CancelledError("leaving"));
    streams_.WaitUntilEmpty(kStreamsEnd);
  }
  Feed(const Feed&) = delete;
  Feed& operator=(const Feed&) = delete;

  // Opens what has ended, after a pause, and ends what is silent.
  void Tick() {
    TickOne(
        points_,
        [this] {
          mutex_.AssertHeld();
          fleet_.BeginPoints();
        },
        [this](auto* context, auto* reactor) {
          central_.points->async()->WatchChargingPoints(context, &points_.request, reactor);
        });
    TickOne(
        sessions_,
        [this] {
          mutex_.AssertHeld();
          fleet_.BeginSessions(absl::Now());
        },
        [this](auto* context, auto* reactor) {
          central_.sessions->async()->WatchSessions(context, &sessions_.request, reactor);
        });
  }

  // OK as soon as both snapshots are there; else why not, within `limit`. OK too when a stop was asked for.
  absl::Status WaitComplete(absl::Duration limit, process::StopSignal* stop) {
    const absl::Duration end = Now() + limit;
    while (stop == nullptr || !stop->WaitFor(absl::ZeroDuration()).has_value()) {
      MutexLock lock(mutex_);
      if (fleet_.is_complete()) return absl::OkStatus();
      if (!points_.fault.ok()) return points_.fault;
      if (!sessions_.fault.ok()) return sessions_.fault;
      if (Now() >= end) return absl::DeadlineExceededError("no snapshot came in time");
      changed_.WaitFor(mutex_, kLook);
    }
    stop->RequestStop("asked");  // Whoever waits next shall know it, too.
    return absl::OkStatus();
  }

  // Calls `look` with the fleet and what keeps it from being up to date.
  template <typename Look>
  void With(Look look) {
    MutexLock lock(mutex_);
    has_news_ = false;
    const absl::Status& fault = points_.fault.ok() ? sessions_.fault : points_.fault;
    look(fleet_, fault, std::min(points_.since, sessions_.since));
  }
  bool has_news() const {
    MutexLock lock(mutex_);
    return has_news_;
  }

 private:
  template <typename Request, typename Response>
  struct Follow {
    const Request request;
    std::shared_ptr<rpc::ClientWatch<Response>> watch;
    bool is_open = false;
    absl::Duration heard;     // When something came last.
    absl::Duration next_try;  // When it may be opened again.
    Backoff backoff = Backoff(kRetry);
    absl::Status fault;  // OK from a snapshot on until the stream ends.
    absl::Time since = absl::InfiniteFuture();
  };

  template <typename Request, typename Response, typename Begin, typename Open>
  void TickOne(Follow<Request, Response>& follow, Begin begin, Open open) {
    std::shared_ptr<rpc::ClientWatch<Response>> silent;
    {
      MutexLock lock(mutex_);
      const absl::Duration now = Now();
      if (follow.is_open) {
        if (now - follow.heard < kSilence) return;
        silent = follow.watch;
      } else {
        if (now < follow.next_try) return;
        follow.is_open = true;
        follow.heard = now;
        begin();
      }
    }
    if (silent != nullptr) return silent->Cancel();
    // Without the lock: gRPC may call back at once.
    auto watch = rpc::ClientWatch<Response>::Start(
        streams_,
        {.on_message = [this, &follow](const Response& message) { OnMessage(follow, message); },
         .on_closed = [this, &follow](const absl::Status& status) { OnClosed(follow, status); }},
        open);
    MutexLock lock(mutex_);
    follow.watch = std::move(watch);
  }

  template <typename Request, typename Response>
  void OnMessage(Follow<Request, Response>& follow, const Response& message) {
    MutexLock lock(mutex_);
    follow.heard = Now();
    has_news_ = true;
    if (!fleet_.Apply(message)) return;
    follow.backoff.Reset();
    follow.fault = absl::OkStatus();
    follow.since = absl::InfiniteFuture();
    changed_.SignalAll();
  }

  template <typename Request, typename Response>
  void OnClosed(Follow<Request, Response>& follow, const absl::Status& status) {
    MutexLock lock(mutex_);
    follow.is_open = false;
    follow.next_try = Now() + follow.backoff.Next(std::uniform_real_distribution<>(0, 1)(random_));
    if (follow.fault.ok()) follow.since = absl::Now();
    follow.fault = absl::IsCancelled(status) ? absl::UnavailableError("nothing is heard from it")
                   : status.ok()             ? absl::UnavailableError("the stream has ended")
                                             : status;
    has_news_ = true;
    changed_.SignalAll();
  }

  const Central& central_;
  mutable Mutex mutex_;
  CondVar changed_;
  Fleet fleet_ ABSL_GUARDED_BY(mutex_);
  bool has_news_ ABSL_GUARDED_BY(mutex_) = false;
  std::minstd_rand random_ ABSL_GUARDED_BY(mutex_) = std::minstd_rand(std::random_device()());
  // All but their requests under mutex_.
  Follow<central_pb::WatchChargingPointsRequest, central_pb::WatchChargingPointsResponse> points_;
  Follow<central_pb::WatchSessionsRequest, central_pb::WatchSessionsResponse> sessions_;
  rpc::LiveStreams streams_;  // Last: streams use the rest.
};

// A terminal that hands over each key as it is typed and shows none; Ctrl-C stays a signal.
class KeyMode {
 public:
  explicit KeyMode(int fd) : fd_(fd), was_(), is_known_(::tcgetattr(fd, &was_) == 0) { Enter(); }
  ~KeyMode() { Leave(); }
  KeyMode(const KeyMode&) = delete;
  KeyMode& operator=(const KeyMode&) = delete;

  void Enter() const {
    if (!is_known_) return;
    termios modes = was_;
    modes.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    modes.c_iflag &= ~static_cast<tcflag_t>(IXON);  // Ctrl-S would stop the drawing and with it the end.
    modes.c_cc[VSUSP] = _POSIX_VDISABLE;            // Ctrl-Z: the screen goes first.
    modes.c_cc[VMIN] = 1;
    modes.c_cc[VTIME] = 0;
    (void)::tcsetattr(fd_, TCSANOW, &modes);
  }
  void Leave() const {
    if (is_known_) (void)::tcsetattr(fd_, TCSANOW, &was_);
  }

 private:
  const int fd_;
  termios was_;
  const bool is_known_;
};

// Draws and reads keys in a thread of its own, so that a terminal that takes no output does not hold up the end.
class LiveTop {
 public:
  LiveTop(const Central& central, Output output, Feed& feed, process::StopSignal& stop)
      : title_(absl::StrCat("Central at ", Printable(central.name()))),
        feed_(feed),
        stop_signal_(stop),
        wake_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        view_(output),
        writer_(1),
        screen_({.fd = 1, .has_prompt = false}, writer_),
        keys_(0) {
    screen_.Enter();
    thread_ = std::jthread([this](const std::stop_token& token) { Run(token); });
  }
  ~LiveTop() {
    writer_.Hurry();
    thread_.request_stop();
    ::eventfd_write(wake_fd_, 1);
    thread_.join();
    ::close(wake_fd_);
  }
  LiveTop(const LiveTop&) = delete;
  LiveTop& operator=(const LiveTop&) = delete;

 private:
  void Run(const std::stop_token& token) {
    while (!token.stop_requested()) {
      const bool has_key = ReadKeys();
      if (token.stop_requested()) return;
      feed_.Tick();
      Draw(has_key);
    }
  }

  // Whether something was typed within kLook.
  bool ReadKeys() {
    pollfd fds[] = {{.fd = 0, .events = POLLIN, .revents = 0}, {.fd = wake_fd_, .events = POLLIN, .revents = 0}};
    ::poll(fds, 2, static_cast<int>(absl::ToInt64Milliseconds(kLook)));
    std::vector<std::string> keys;
    if (fds[0].revents != 0) {
      std::array<char, 256> bytes{};
      const ssize_t size = ::read(0, bytes.data(), bytes.size());
      if (size <= 0) {  // The terminal has gone.
        stop_signal_.RequestStop("no terminal");
        return false;
      }
      typed_.append(bytes.data(), static_cast<std::size_t>(size));
      keys = SplitKeys(typed_);
    } else if (!typed_.empty()) {
      keys.push_back(std::exchange(typed_, ""));  // Nothing followed: the key Esc.
    }
    for (const std::string& key : keys) {
      const FleetView::Wish wish = view_.OnKey(key);
      if (wish == FleetView::Wish::kLeave) stop_signal_.RequestStop("asked");
      if (wish == FleetView::Wish::kSuspend) Suspend();
    }
    return !keys.empty();
  }

  void Suspend() {
    screen_.Leave();
    keys_.Leave();
    ::raise(SIGTSTP);  // To this thread: with kill() it would go on until another one has taken the signal.
    keys_.Enter();
    screen_.Enter();
  }

  void Draw(bool has_key) {
    const auto window = screen_.Window();
    if (!window.has_value()) return;
    const absl::Duration now = Now();
    const bool is_due = now >= next_;  // The time is shown, too.
    if (!has_key && !screen_.IsBlank(*window) && !is_due && !(feed_.has_news() && now >= next_ - kRefresh)) return;
    next_ = now + 2 * kRefresh;
    std::vector<terminal::Line> lines;
    feed_.With([&](const Fleet& fleet, const absl::Status& fault, absl::Time since) {
      lines = view_.Render(fleet, Title(fault, since), screen_.RowsOf(*window));
    });
    screen_.Draw(*window, std::move(lines));
  }

  terminal::Line Title(const absl::Status& fault, absl::Time since) const {
    const auto text = [](absl::Time time) { return absl::FormatTime("%H:%M:%S", time, absl::UTCTimeZone()); };
    if (fault.ok()) return {absl::StrCat(title_, "  ", text(absl::Now()), " UTC"), terminal::kBold};
    return {absl::StrCat(title_, " does not answer since ", text(since),
                         " UTC, what is shown is from then; trying again: ", Printable(fault.message())),
            terminal::kRed};
  }

  const std::string title_;
  Feed& feed_;
  process::StopSignal& stop_signal_;
  const int wake_fd_;
  FleetView view_;
  std::string typed_;
  absl::Duration next_;  // When to draw without another reason.
  terminal::FdWriter writer_;
  terminal::Screen screen_;
  KeyMode keys_;
  std::jthread thread_;  // Last: stops before anything it uses is destroyed.
};

absl::Status PrintOnce(const Fleet& fleet, Output output, bool colored, std::ostream& out) {
  const auto points = fleet.Points(FleetOrder::kPower, "");
  std::vector<std::vector<Cell>> rows;
  for (const Fleet::Point* point : points) {
    if (output != Output::kJson) {
      rows.push_back(Row(*point, output));
    } else if (auto status = PrintJson(*point, out); !status.ok()) {
      return status;
    }
  }
  if (output == Output::kJson) return absl::OkStatus();
  if (output != Output::kCsv) {
    out << Printable(fleet.PointTotals()) << '\n' << Printable(fleet.SessionTotals(false)) << "\n\n";
  }
  out << RowsText(output, Names<Fleet::Point>(output), rows, colored);
  return absl::OkStatus();
}

}  // namespace

bool IsLive(const TopOptions& options) {
  const bool is_for_people = options.output == Output::kTable || options.output == Output::kWide;
  return !options.once && is_for_people && ::isatty(0) == 1 && terminal::CanDraw(1);
}

absl::Status Top(const Central& central, const TopOptions& options, process::StopSignal* stop, bool colored,
                 std::ostream& out) {
  Feed feed(central);
  if (auto status = feed.WaitComplete(central.limit(), stop); !status.ok()) return central.Explain(status);
  if (stop != nullptr) {
    const LiveTop live(central, options.output, feed, *stop);
    stop->Wait();
    return absl::OkStatus();
  }
  absl::Status status;
  feed.With([&](const Fleet& fleet, const absl::Status&, absl::Time) {
    status = PrintOnce(fleet, options.output, colored, out);
  });
  return status;
}

}  // namespace ev::evctl
