#include "process/service_manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "metrics/readiness.h"
#include "metrics/registry.h"
#include "tests/support/temp_dir.h"

namespace ev::process {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// The service manager's end.
class Socket {
 public:
  explicit Socket(const std::string& address) : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un at = {.sun_family = AF_UNIX, .sun_path = {}};
    address.copy(at.sun_path, sizeof(at.sun_path) - 1);
    if (address.front() == '@') at.sun_path[0] = '\0';
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size());
    EXPECT_EQ(::bind(fd_, reinterpret_cast<const sockaddr*>(&at), size), 0) << address;
  }
  ~Socket() { ::close(fd_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  // What is there already: the sender waits until it is. Empty: nothing.
  std::string Take() {
    char text[4096];
    const ssize_t size = ::recv(fd_, text, sizeof(text), MSG_DONTWAIT);
    return size < 0 ? "" : std::string(text, static_cast<std::size_t>(size));
  }

 private:
  int fd_;
};

class ServiceManagerTest : public ::testing::Test {
 protected:
  TempDir dir_;
  metrics::Registry registry_{"ev-test", "1.2.3"};
  metrics::Readiness readiness_{registry_, {"kafka", "store"}};
  const std::string path_ = dir_.File("notify");
  Socket socket_{path_};
};

// B200
TEST_F(ServiceManagerTest, ReadyIsSaidOnceWhenRequestsAreTakenForTheFirstTime) {
  ServiceManager manager(readiness_, path_);
  EXPECT_EQ(socket_.Take(), "STATUS=not ready: kafka: starting; store: starting\n");
  readiness_.SetReady("store");
  EXPECT_EQ(socket_.Take(), "STATUS=not ready: kafka: starting\n");
  readiness_.SetDegraded("kafka", "no broker");  // Still takes requests.
  EXPECT_EQ(socket_.Take(), "READY=1\nSTATUS=degraded: kafka: no broker\n");
  readiness_.SetNotReady("kafka", "another cluster");
  EXPECT_EQ(socket_.Take(), "STATUS=not ready: kafka: another cluster\n");
  readiness_.SetReady("kafka");
  EXPECT_EQ(socket_.Take(), "STATUS=ready\n");
}

TEST_F(ServiceManagerTest, WhatWasReadyBeforeIsSaidAtOnce) {
  readiness_.SetReady("store");
  readiness_.SetReady("kafka");
  ServiceManager manager(readiness_, path_);
  EXPECT_EQ(socket_.Take(), "READY=1\nSTATUS=ready\n");
}

// B200
TEST_F(ServiceManagerTest, TheEndIsSaidOnceAndIsNoReadiness) {
  ServiceManager manager(readiness_, path_);
  socket_.Take();
  readiness_.Stop();
  readiness_.Stop();
  EXPECT_THAT(socket_.Take(), AllOf(StartsWith("STOPPING=1\nSTATUS=not ready: "), HasSubstr("process: stopping")));
  readiness_.SetReady("store");
  readiness_.SetReady("kafka");
  for (std::string text; !(text = socket_.Take()).empty();) EXPECT_THAT(text, Not(HasSubstr("=1")));
}

TEST_F(ServiceManagerTest, AStatusIsOneLineWhateverItsReasonHolds) {
  ServiceManager manager(readiness_, path_);
  socket_.Take();
  readiness_.SetNotReady("store", "no\nREADY=1");
  EXPECT_EQ(socket_.Take(), "STATUS=not ready: kafka: starting; store: no?READY=1\n");
}

TEST_F(ServiceManagerTest, ANameInTheAbstractNamespaceBeginsWithAnAt) {
  const std::string name = absl::StrCat("@ev-service-manager-test-", ::getpid());
  Socket abstract(name);
  ServiceManager manager(readiness_, name);
  EXPECT_THAT(abstract.Take(), StartsWith("STATUS=not ready"));
}

TEST_F(ServiceManagerTest, WithoutAServiceManagerNothingIsSaid) {
  ServiceManager manager(readiness_, "");
  readiness_.SetReady("store");
  readiness_.SetReady("kafka");
  readiness_.Stop();
  EXPECT_EQ(socket_.Take(), "");
}

TEST_F(ServiceManagerTest, AnAddressThatNobodyReadsHarmsNothing) {
  for (const std::string& address : {dir_.File("nobody"), std::string("vsock:2:1"), "/" + std::string(200, 'x')}) {
    ServiceManager manager(readiness_, address);
    readiness_.SetReady("store");
    readiness_.SetNotReady("store", "again");
  }
}

TEST_F(ServiceManagerTest, AManagerThatDoesNotReadHoldsNoStatusUp) {
  ServiceManager manager(readiness_, path_);
  for (int i = 0; i < 5000; ++i)
    readiness_.SetDegraded("kafka", absl::StrCat("broker ", i));  // More than a socket keeps.
}

TEST_F(ServiceManagerTest, OfManyThreadsOneSaysReady) {
  ServiceManager manager(readiness_, path_);
  readiness_.SetReady("store");
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([this, i] { readiness_.SetDegraded("kafka", absl::StrCat("thread ", i)); });
  }
  threads.clear();
  int ready = 0;
  std::string last;
  for (std::string text; !(text = socket_.Take()).empty(); last = text) ready += text.find("READY=1") == 0 ? 1 : 0;
  EXPECT_EQ(ready, 1);
  EXPECT_THAT(last, HasSubstr(readiness_.Get().Reasons()));  // What was said last is what is.
}

}  // namespace
}  // namespace ev::process
