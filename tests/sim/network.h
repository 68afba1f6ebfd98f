#ifndef EV_TESTS_SIM_NETWORK_H_
#define EV_TESTS_SIM_NETWORK_H_

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "tests/sim/event_loop.h"

namespace ev::sim {

struct NetworkWeather {
  absl::Duration usual_delay = absl::Milliseconds(20);  // At most.
  int slow_percent = 2;                                 // Messages that take up to slow_delay.
  absl::Duration slow_delay = absl::Seconds(2);
  int lost_percent = 2;      // Calls whose request or answer is lost.
  int repeated_percent = 5;  // Calls that arrive twice.
};

struct Network {
  EventLoop& loop;
  Random& random;
  NetworkWeather weather;

  absl::Duration Delay() {
    const bool is_slow = random.Chance(weather.slow_percent);
    return random.Between(absl::Microseconds(100), is_slow ? weather.slow_delay : weather.usual_delay);
  }
  bool Repeats() { return random.Chance(weather.repeated_percent); }
  bool Loses() { return random.Chance(weather.lost_percent); }
};

// A stream between two processes: each direction keeps its order. It can be cut: from then on nothing gets through, and
// each end hears of it late or never.
class Stream : public std::enable_shared_from_this<Stream> {
 public:
  using OnClosed = std::function<void(const absl::Status&)>;

  Stream(Network& network, Life client, OnClosed client_closed) : network_(network) {
    client_ = {.life = std::move(client), .on_closed = std::move(client_closed)};
  }
  void Serve(Life server, OnClosed server_closed) {
    server_ = {.life = std::move(server), .on_closed = std::move(server_closed)};
  }

  bool is_open_at_server() const { return server_.is_open; }

  void ToServer(std::function<void()> deliver) { Send(client_, server_, std::move(deliver)); }
  void ToClient(std::function<void()> deliver) { Send(server_, client_, std::move(deliver)); }
  void CloseByClient() { Close(client_, server_, absl::CancelledError("the client has gone")); }
  void CloseByServer(const absl::Status& status) { Close(server_, client_, status); }
  // One end's process has died: the other hears of it.
  void ClientDied() { CloseByClient(); }
  void ServerDied() { CloseByServer(absl::UnavailableError("the server has gone")); }

  void Cut() {
    if (std::exchange(is_cut_, true)) return;
    for (End* end : {&client_, &server_}) {
      if (network_.random.Chance(60)) Tell(*end, absl::UnavailableError("connection lost"), absl::Seconds(12));
    }
  }

 private:
  struct End {
    std::weak_ptr<int> life;
    OnClosed on_closed;
    bool is_open = true;
    absl::Duration last;  // When the last message to this end arrives.
  };

  void Send(const End& from, End& to, std::function<void()> deliver) {
    if (!from.is_open || is_cut_) return;
    to.last = std::max(to.last, network_.loop.now() + network_.Delay());
    network_.loop.After(to.last - network_.loop.now(), [self = shared_from_this(), &to, deliver = std::move(deliver)] {
      if (!self->is_cut_ && to.is_open && !to.life.expired()) deliver();
    });
  }
  void Close(End& from, End& to, const absl::Status& status) {
    if (!std::exchange(from.is_open, false)) return;
    if (!is_cut_) Tell(to, status, absl::ZeroDuration());
  }
  void Tell(End& end, const absl::Status& status, absl::Duration at_most_later) {
    const absl::Duration late = network_.random.Between(absl::ZeroDuration(), at_most_later);
    end.last = std::max(end.last, network_.loop.now() + network_.Delay() + late);
    network_.loop.After(end.last - network_.loop.now(), [self = shared_from_this(), &end, status] {
      if (!std::exchange(end.is_open, false) || end.life.expired()) return;
      if (end.on_closed) end.on_closed(status);
    });
  }

  Network& network_;
  End client_;
  End server_;
  bool is_cut_ = false;
};

}  // namespace ev::sim

#endif  // EV_TESTS_SIM_NETWORK_H_
