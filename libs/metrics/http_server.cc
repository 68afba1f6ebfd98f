#include "metrics/http_server.h"

#include <fcntl.h>
#include <httplib.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace ev::metrics {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr int kThreads = 12;
constexpr int kPatientThreads = 4;
constexpr std::chrono::milliseconds kPatience(2000);
constexpr std::chrono::milliseconds kPatienceWhenBusy(250);
constexpr std::chrono::milliseconds kPauseAfterError(100);
constexpr int kBacklog = 64;
constexpr std::size_t kRequestBytes = 4096;

int MillisecondsUntil(SteadyClock::time_point time) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(time - SteadyClock::now()).count();
  return static_cast<int>(std::max<std::int64_t>(0, left));
}

// The connection as the library sees it. Every wait for the client ends when the connection's time is over or
// `stopping` is readable; what can be sent without a wait is sent all the same.
class Connection final : public httplib::Stream {
 public:
  Connection(int socket, int stopping, SteadyClock::time_point end) : socket_(socket), stopping_(stopping), end_(end) {}
  ~Connection() override { ::close(socket_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  bool is_readable() const override { return Await(POLLIN); }
  bool is_writable() const override { return Await(POLLOUT); }

  ssize_t read(char* to, std::size_t size) override {
    if (taken_ == received_) {
      if (received_ == request_.size() || !Await(POLLIN)) return -1;
      const ssize_t got = ::recv(socket_, request_.data() + received_, request_.size() - received_, 0);
      if (got <= 0) return got;
      received_ += static_cast<std::size_t>(got);
    }
    size = std::min(size, received_ - taken_);
    std::memcpy(to, request_.data() + taken_, size);
    taken_ += size;
    return static_cast<ssize_t>(size);
  }

  ssize_t write(const char* from, std::size_t size) override {
    for (std::size_t sent = 0; sent < size;) {
      const ssize_t more = ::send(socket_, from + sent, size - sent, MSG_NOSIGNAL);
      if (more < 0 && (errno != EAGAIN || !Await(POLLOUT))) return -1;
      sent += static_cast<std::size_t>(std::max<ssize_t>(0, more));
    }
    return static_cast<ssize_t>(size);
  }

  // Nobody asks who the client is.
  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}
  socket_t socket() const override { return socket_; }

 private:
  bool Await(short events) const {
    const int limit_ms = MillisecondsUntil(end_);
    pollfd watched[] = {{socket_, events, 0}, {stopping_, POLLIN, 0}};
    return limit_ms > 0 && ::poll(watched, 2, limit_ms) > 0 && watched[1].revents == 0;
  }

  const int socket_;
  const int stopping_;
  const SteadyClock::time_point end_;
  std::array<char, kRequestBytes> request_;
  std::size_t received_ = 0;
  std::size_t taken_ = 0;
};

// The library sets SO_REUSEPORT, with which a second process binds the same port without an error and takes half of the
// connections.
void SetSocketOptions(int socket) {
  const int yes = 1;
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
}

// The library's own threads have a limit in time for each read, not for a request, so that a client which sends a byte
// now and then keeps one for ever, and its end waits for it. Of the library this takes the listening socket and HTTP.
class Server final : public httplib::Server {
 public:
  Server() { set_socket_options(SetSocketOptions); }

  ~Server() override {
    ::eventfd_write(stopping_, 1);
    threads_.clear();  // Joins.
    ::close(svr_sock_);
    ::close(stopping_);
  }

  // The port; -1 when it is taken or the address is not of this machine.
  int Bind(const std::string& address, int port) {
    const int bound = port == 0 ? bind_to_any_port(address) : bind_to_port(address, port) ? port : -1;
    // Non-blocking: of the threads that see a connection one gets it. The library's own backlog is 5.
    const bool is_ready =
        bound > 0 && ::fcntl(svr_sock_, F_SETFL, O_NONBLOCK) == 0 && ::listen(svr_sock_, kBacklog) == 0;
    return is_ready && stopping_ >= 0 ? bound : -1;
  }

  void Run() {
    for (int i = 0; i < kThreads; ++i) threads_.emplace_back([this] { Work(); });
  }

 private:
  void Work() {
    while (!IsStopped(0)) {
      pollfd watched[] = {{svr_sock_, POLLIN, 0}, {stopping_, POLLIN, 0}};
      ::poll(watched, 2, -1);
      const int socket = ::accept4(svr_sock_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (socket >= 0) {
        Serve(socket);
      } else if (errno != EAGAIN && IsStopped(kPauseAfterError.count())) {
        return;
      }
    }
  }

  bool IsStopped(int within_ms) const {
    pollfd watched = {stopping_, POLLIN, 0};
    return ::poll(&watched, 1, within_ms) > 0;
  }

  void Serve(int socket) {
    const auto patience = ++busy_ > kPatientThreads ? kPatienceWhenBusy : kPatience;
    Connection connection(socket, stopping_, SteadyClock::now() + patience);
    bool is_closed = false;
    process_request(connection, true, is_closed, nullptr);
    --busy_;
  }

  const int stopping_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  std::atomic<int> busy_ = 0;
  std::vector<std::jthread> threads_;
};

}  // namespace

struct HttpServer::Impl {
  Server server;
  int port = 0;
};

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const HttpOptions& options, const Registry& registry,
                                                              const Readiness& readiness) {
  auto impl = std::make_unique<Impl>();
  Server& server = impl->server;
  server.Get("/metrics", [&registry](const httplib::Request&, httplib::Response& response) {
    response.set_content(registry.RenderText(), "text/plain; version=0.0.4; charset=utf-8");
  });
  server.Get("/livez", [](const httplib::Request&, httplib::Response& response) {
    response.set_content("alive\n", "text/plain; charset=utf-8");
  });
  server.Get("/readyz", [&readiness](const httplib::Request&, httplib::Response& response) {
    const Report report = readiness.Get();
    response.status = report.health == Health::kNotReady ? 503 : 200;
    response.set_content(report.ToText(), "text/plain; charset=utf-8");
  });
  impl->port = server.Bind(options.listen, options.port);
  if (impl->port <= 0) {
    return absl::UnavailableError(absl::StrCat("cannot listen on ", options.listen, ":", options.port,
                                               " (HTTP): the port is taken (--http-port names another) or the address ",
                                               "is not of this machine"));
  }
  server.Run();
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpServer::~HttpServer() = default;

int HttpServer::port() const {
  return impl_->port;
}

}  // namespace ev::metrics
