#include "kafka/embedded_broker.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "kafka/handles.h"

namespace {

// A bound socket that the mock cluster's next listener in this thread shall be; -1: none.
thread_local int t_prepared_listener = -1;

}  // namespace

// The mock cluster binds to a free port, cannot be told another, and aborts when binding fails. A program's own bind()
// comes before libc's, so here the cluster is handed a socket that is bound already; every other call goes to the
// kernel as it is.
extern "C" int bind(int fd, const sockaddr* address, socklen_t length) __THROW {
  if (t_prepared_listener < 0) return static_cast<int>(syscall(SYS_bind, fd, address, length));
  fcntl(t_prepared_listener, F_SETFL, fcntl(fd, F_GETFL));
  return dup2(t_prepared_listener, fd) == fd ? 0 : -1;
}

namespace ev::kafka {
namespace {

constexpr std::int16_t kProduceRequest = 0;
constexpr std::int16_t kFetchRequest = 1;
constexpr std::int16_t kListOffsetsRequest = 2;
constexpr std::int32_t kBrokerId = 1;
constexpr int kMaxStarts = 20;

// As many as no test lives to see.
void FailMany(rd_kafka_mock_cluster_t* cluster, std::int16_t request, int kafka_error_code) {
  const std::vector<rd_kafka_resp_err_t> errors(100'000, static_cast<rd_kafka_resp_err_t>(kafka_error_code));
  rd_kafka_mock_push_request_errors_array(cluster, request, errors.size(), errors.data());
}

// A file descriptor that is closed at the end of its scope.
class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  ~Socket() { close(fd_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

absl::Status BindToLoopback(const Socket& listener, int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  const int yes = 1;  // The port may still be cooling down from the broker before.
  setsockopt(listener.fd(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  // Listening decides between two that have both bound.
  if (bind(listener.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 &&
      listen(listener.fd(), /*backlog=*/64) == 0) {
    return absl::OkStatus();
  }
  return absl::UnavailableError(
      absl::StrCat("embedded broker cannot listen on 127.0.0.1:", port, ": ", std::strerror(errno)));
}

struct DestroyMockCluster {
  void operator()(rd_kafka_mock_cluster_t* cluster) const { rd_kafka_mock_cluster_destroy(cluster); }
};

struct DestroyClient {
  void operator()(rd_kafka_t* client) const { rd_kafka_destroy(client); }
};

}  // namespace

class EmbeddedBroker::Impl {
 public:
  std::unique_ptr<rd_kafka_t, DestroyClient> keeper;  // The mock cluster's threads and memory belong to a client.
  std::unique_ptr<rd_kafka_mock_cluster_t, DestroyMockCluster> cluster;
  std::string bootstrap;
  int port = 0;
};

// The mock cluster makes any topic that a client asks for, with a number of partitions of its own: clients that have
// waited for the port are turned away until the topics are there, and one that was quicker even so makes it begin anew.
absl::StatusOr<std::unique_ptr<EmbeddedBroker>> EmbeddedBroker::Start(int port, absl::Span<const TopicConfig> topics) {
  absl::StatusOr<std::unique_ptr<EmbeddedBroker>> broker = TryStart(port, topics);
  for (int i = 1; i < kMaxStarts && absl::IsFailedPrecondition(broker.status()); ++i) broker = TryStart(port, topics);
  return broker;
}

// FailedPrecondition: a client was quicker.
absl::StatusOr<std::unique_ptr<EmbeddedBroker>> EmbeddedBroker::TryStart(int port,
                                                                         absl::Span<const TopicConfig> topics) {
  auto impl = std::make_unique<Impl>();
  ConfHandle conf(rd_kafka_conf_new());
  rd_kafka_conf_set(conf.get(), "log_level", "3", nullptr, 0);
  std::array<char, 256> error{};
  impl->keeper.reset(rd_kafka_new(RD_KAFKA_PRODUCER, conf.get(), error.data(), error.size()));
  if (impl->keeper == nullptr) return absl::InternalError(absl::StrCat("embedded broker: ", error.data()));
  (void)conf.release();
  {
    const Socket listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (absl::Status status = BindToLoopback(listener, port); !status.ok()) return status;
    t_prepared_listener = listener.fd();
    impl->cluster.reset(rd_kafka_mock_cluster_new(impl->keeper.get(), /*broker_cnt=*/1));
    t_prepared_listener = -1;
  }
  impl->bootstrap = rd_kafka_mock_cluster_bootstraps(impl->cluster.get());
  const absl::string_view bootstrap = impl->bootstrap;
  if (!absl::SimpleAtoi(bootstrap.substr(bootstrap.rfind(':') + 1), &impl->port)) {
    return absl::InternalError(absl::StrCat("embedded broker listens on '", bootstrap, "'"));
  }
  std::unique_ptr<EmbeddedBroker> broker(new EmbeddedBroker(std::move(impl)));
  broker->SetDown();
  for (const TopicConfig& topic : topics) {
    if (absl::Status status = broker->CreateTopic(topic); !status.ok()) return status;
  }
  broker->SetUp();
  return broker;
}

EmbeddedBroker::EmbeddedBroker(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
EmbeddedBroker::~EmbeddedBroker() = default;

const std::string& EmbeddedBroker::bootstrap() const {
  return impl_->bootstrap;
}
int EmbeddedBroker::port() const {
  return impl_->port;
}

absl::Status EmbeddedBroker::CreateTopic(const TopicConfig& topic) {
  const rd_kafka_resp_err_t error =
      rd_kafka_mock_topic_create(impl_->cluster.get(), topic.name.c_str(), topic.partitions, /*replication_factor=*/1);
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return absl::OkStatus();
  const std::string text = absl::StrCat("embedded broker: topic ", topic.name, ": ", rd_kafka_err2str(error));
  if (error == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) return absl::FailedPreconditionError(text);
  return absl::InvalidArgumentError(text);
}

void EmbeddedBroker::SetDown() {
  rd_kafka_mock_broker_set_down(impl_->cluster.get(), kBrokerId);
}
void EmbeddedBroker::SetUp() {
  rd_kafka_mock_broker_set_up(impl_->cluster.get(), kBrokerId);
}
void EmbeddedBroker::SetRoundTrip(absl::Duration delay) {
  rd_kafka_mock_broker_set_rtt(impl_->cluster.get(), kBrokerId, static_cast<int>(absl::ToInt64Milliseconds(delay)));
}

void EmbeddedBroker::FailProduce(const std::vector<int>& kafka_error_codes) {
  std::vector<rd_kafka_resp_err_t> errors;
  errors.reserve(kafka_error_codes.size());
  for (const int code : kafka_error_codes) errors.push_back(static_cast<rd_kafka_resp_err_t>(code));
  rd_kafka_mock_push_request_errors_array(impl_->cluster.get(), kProduceRequest, errors.size(), errors.data());
}

void EmbeddedBroker::FailFetch(int kafka_error_code) {
  FailMany(impl_->cluster.get(), kFetchRequest, kafka_error_code);
}
void EmbeddedBroker::FailListOffsets(int kafka_error_code) {
  FailMany(impl_->cluster.get(), kListOffsetsRequest, kafka_error_code);
}
void EmbeddedBroker::HealReading() {
  for (const std::int16_t request : {kFetchRequest, kListOffsetsRequest}) {
    rd_kafka_mock_clear_request_errors(impl_->cluster.get(), request);
  }
}

void EmbeddedBroker::SetTopicError(const std::string& topic, int kafka_error_code) {
  rd_kafka_mock_topic_set_error(impl_->cluster.get(), topic.c_str(),
                                static_cast<rd_kafka_resp_err_t>(kafka_error_code));
}

void EmbeddedBroker::DelayProduceAnswer(absl::Duration delay) {
  rd_kafka_mock_broker_push_request_error_rtts(impl_->cluster.get(), kBrokerId, kProduceRequest, 1,
                                               RD_KAFKA_RESP_ERR_NO_ERROR,
                                               static_cast<int>(absl::ToInt64Milliseconds(delay)));
}

}  // namespace ev::kafka
