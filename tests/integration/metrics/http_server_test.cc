#include "metrics/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "tests/support/notification.h"
#include "tests/support/status_matchers.h"

namespace ev::metrics {
namespace {

using ::testing::HasSubstr;

// A connection by hand, to be slow with.
class SlowClient {
 public:
  explicit SlowClient(int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  }
  ~SlowClient() { ::close(fd_); }
  SlowClient(const SlowClient&) = delete;
  SlowClient& operator=(const SlowClient&) = delete;

  // False once the server has closed the connection.
  bool Send(absl::string_view text) const { return ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL) > 0; }

  // Sends a byte each time that the server has not answered or closed for a while; false: it did neither for 10 s.
  bool DripUntilTheServerHasHadEnough(std::chrono::milliseconds each) const {
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (std::chrono::steady_clock::now() < give_up) {
      pollfd watched = {fd_, POLLIN, 0};
      if (::poll(&watched, 1, static_cast<int>(each.count())) > 0 || !Send("a")) return true;
    }
    return false;
  }

 private:
  const int fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
};

class HttpServerTest : public testing::Test {
 protected:
  httplib::Result Get(const std::string& path) {
    httplib::Client client("127.0.0.1", port_);
    client.set_connection_timeout(5);
    client.set_read_timeout(10);
    return client.Get(path.c_str());
  }

  Registry registry_{"ev-test", "1"};
  Readiness readiness_{registry_, {"store", "kafka"}};
  std::unique_ptr<HttpServer> server_ = *HttpServer::Start({}, registry_, readiness_);
  const int port_ = server_->port();
};

// B181
TEST_F(HttpServerTest, ReadyzAnswersWithTheReason) {
  auto response = Get("/readyz");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 503);
  EXPECT_EQ(response->body, "not ready\nkafka: starting\nstore: starting\n");
  readiness_.SetReady("store");
  readiness_.SetDegraded("kafka", "cannot reach localhost:9092");
  response = Get("/readyz");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->body, "degraded\nkafka: cannot reach localhost:9092\n");
}

// B181
TEST_F(HttpServerTest, LivezAndMetricsAnswerAndOtherPathsDoNot) {
  EXPECT_EQ(Get("/livez")->status, 200);
  const auto metrics = Get("/metrics");
  EXPECT_EQ(metrics->status, 200);
  EXPECT_THAT(metrics->get_header_value("Content-Type"), HasSubstr("version=0.0.4"));
  // What the process uses is never twice the same.
  const auto lasting = [](std::string text) {
    const std::vector<std::string> lines = absl::StrSplit(
        std::move(text), '\n', [](absl::string_view line) { return !absl::StartsWith(line, "process_"); });
    return absl::StrJoin(lines, "\n");
  };
  EXPECT_EQ(lasting(metrics->body), lasting(registry_.RenderText()));
  EXPECT_EQ(Get("/")->status, 404);
}

TEST_F(HttpServerTest, ATakenPortIsUnavailableAndNamed) {
  const auto second = HttpServer::Start({.port = server_->port()}, registry_, readiness_);
  EXPECT_THAT(second, StatusIs(absl::StatusCode::kUnavailable, HasSubstr(std::to_string(server_->port()))));
}

TEST_F(HttpServerTest, MoreClientsThanThreadsAreAllServed) {
  std::atomic<int> served = 0;
  {
    std::vector<std::jthread> clients;
    for (int i = 0; i < 40; ++i) {
      clients.emplace_back([&] {
        if (auto response = Get("/livez"); response && response->status == 200) ++served;
      });
    }
  }
  EXPECT_EQ(served, 40);
}

// B190
TEST_F(HttpServerTest, ARequestThatComesByteByByteLosesItsConnection) {
  const SlowClient header(port_);
  ASSERT_TRUE(header.Send("GET /metrics HTTP/1.1\r\nX: "));
  const SlowClient body(port_);
  ASSERT_TRUE(body.Send("POST /metrics HTTP/1.1\r\nContent-Length: 4000\r\n\r\n"));
  std::jthread other([&] { EXPECT_TRUE(body.DripUntilTheServerHasHadEnough(std::chrono::milliseconds(200))); });
  EXPECT_TRUE(header.DripUntilTheServerHasHadEnough(std::chrono::milliseconds(200)));
}

// B190
TEST_F(HttpServerTest, ARequestThatIsTooLongIsRefused) {
  const auto status_of = [&](std::size_t bytes) {
    httplib::Client client("127.0.0.1", port_);
    const auto response = client.Get("/livez", {{"X", std::string(bytes, 'a')}});
    return response ? response->status : 0;
  };
  EXPECT_EQ(status_of(3000), 200);
  EXPECT_NE(status_of(5000), 200);
}

// B190
TEST_F(HttpServerTest, LivezAnswersBesideClientsThatAreSlowAndComeAgain) {
  std::atomic<bool> over = false;
  std::vector<std::jthread> clients;
  for (int i = 0; i < 60; ++i) {
    clients.emplace_back([&] {
      while (!over) {
        const SlowClient client(port_);
        if (client.Send("GET /metrics HTTP/1.1\r\nX: ")) {
          client.DripUntilTheServerHasHadEnough(std::chrono::milliseconds(100));
        }
      }
    });
  }
  for (int i = 0; i < 3; ++i) {
    const auto begun = std::chrono::steady_clock::now();
    const auto response = Get("/livez");
    EXPECT_TRUE(response && response->status == 200);
    EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(5));
  }
  over = true;
}

// B180 B190
TEST_F(HttpServerTest, TheEndWaitsForNoClient) {
  const SlowClient silent(port_);
  const SlowClient slow(port_);
  ASSERT_TRUE(slow.Send("GET /metrics HTTP/1.1\r\nX: "));
  std::jthread drip([&] { slow.DripUntilTheServerHasHadEnough(std::chrono::milliseconds(10)); });
  EXPECT_EQ(Get("/livez")->status, 200);  // Both have been accepted.
  const auto begun = std::chrono::steady_clock::now();
  server_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(1));
}

// B180
TEST_F(HttpServerTest, AnAnswerUnderWayIsSentWhenTheServerEnds) {
  Notification collecting;
  Notification ending;
  const auto token = registry_.OnCollect([&] {
    collecting.Notify();
    EXPECT_TRUE(ending.WaitForNotificationWithTimeout(absl::Seconds(30)));
  });
  std::atomic<int> status = 0;
  std::jthread client([&] {
    if (const auto response = Get("/metrics")) status = response->status;
  });
  ASSERT_TRUE(collecting.WaitForNotificationWithTimeout(absl::Seconds(10)));
  const SlowClient silent(port_);
  EXPECT_EQ(Get("/livez")->status, 200);  // It has been accepted.
  std::jthread end([&] { server_.reset(); });
  EXPECT_TRUE(silent.DripUntilTheServerHasHadEnough(std::chrono::seconds(10)));
  ending.Notify();
  client.join();
  EXPECT_EQ(status, 200);
}

TEST(HttpServerStartTest, AServerThatIsDestroyedAtOnceEnds) {
  Registry registry("ev-test", "1");
  Readiness readiness(registry, {});
  for (int i = 0; i < 20; ++i) EV_ASSERT_OK(HttpServer::Start({}, registry, readiness));
}

}  // namespace
}  // namespace ev::metrics
