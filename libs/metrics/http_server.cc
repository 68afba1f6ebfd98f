#include "metrics/http_server.h"

#include <httplib.h>
#include <sys/socket.h>

#include <atomic>
#include <deque>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/mutex.h"

namespace ev::metrics {
namespace {

constexpr int kThreads = 3;
constexpr std::size_t kWaitingConnections = 16;
constexpr std::size_t kRequestBytes = 4096;

// The library's pool queues connections without a bound. This one serves them on the accepting thread when the queue is
// full, so that what comes after waits in the kernel's backlog.
class BoundedTaskQueue final : public httplib::TaskQueue {
 public:
  BoundedTaskQueue() {
    for (int i = 0; i < kThreads; ++i) threads_.emplace_back([this] { Work(); });
  }

  void enqueue(std::function<void()> task) override {
    {
      MutexLock lock(mutex_);
      if (tasks_.size() < kWaitingConnections) {
        tasks_.push_back(std::exchange(task, nullptr));
        changed_.Signal();
      }
    }
    if (task) task();
  }

  void shutdown() override {
    {
      MutexLock lock(mutex_);
      stopping_ = true;
      changed_.SignalAll();
    }
    threads_.clear();  // Joins; what is queued is served first.
  }

 private:
  void Work() {
    while (std::function<void()> task = Take()) task();
  }

  std::function<void()> Take() {
    MutexLock lock(mutex_);
    while (tasks_.empty()) {
      if (stopping_) return nullptr;
      changed_.WaitFor(mutex_, absl::Seconds(60));
    }
    std::function<void()> task = std::move(tasks_.front());
    tasks_.pop_front();
    return task;
  }

  Mutex mutex_;
  CondVar changed_;
  std::deque<std::function<void()>> tasks_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::jthread> threads_;
};

// The library sets SO_REUSEPORT, with which a second process binds the same port without an error and takes half of the
// connections.
void SetSocketOptions(int socket) {
  const int yes = 1;
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
}

}  // namespace

struct HttpServer::Impl {
  httplib::Server server;
  int port = 0;
  std::atomic<bool> ended = false;
  std::jthread accepting;
};

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const HttpOptions& options, const Registry& registry,
                                                              const Readiness& readiness) {
  auto impl = std::make_unique<Impl>();
  httplib::Server& server = impl->server;
  server.new_task_queue = [] { return new BoundedTaskQueue; };
  server.set_socket_options(SetSocketOptions);
  server.set_keep_alive_max_count(1);  // A kept connection would hold one of few threads.
  server.set_keep_alive_timeout(2);    // Also the wait for the first byte.
  server.set_read_timeout(2, 0);
  server.set_write_timeout(5, 0);
  server.set_payload_max_length(kRequestBytes);
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

  impl->port = options.port;
  if (options.port == 0) {
    impl->port = server.bind_to_any_port(options.listen);
  } else if (!server.bind_to_port(options.listen, options.port)) {
    impl->port = -1;
  }
  if (impl->port <= 0) {
    return absl::UnavailableError(absl::StrCat("cannot listen on ", options.listen, ":", options.port,
                                               " (HTTP): the port is taken or the ", "address is not of this machine"));
  }
  impl->accepting = std::jthread([raw = impl.get()] {
    raw->server.listen_after_bind();
    raw->ended = true;
  });
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpServer::~HttpServer() {
  // stop() before listen_after_bind() has begun would be lost.
  while (!impl_->server.is_running() && !impl_->ended) std::this_thread::yield();
  impl_->server.stop();
}

int HttpServer::port() const {
  return impl_->port;
}

}  // namespace ev::metrics
