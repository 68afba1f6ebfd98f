#include "kafka/client.h"

#include <syslog.h>

#include <algorithm>
#include <array>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "kafka/monotonic.h"

namespace ev::kafka {
namespace {

absl::StatusCode CodeOf(rd_kafka_resp_err_t error) {
  switch (error) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
      return absl::StatusCode::kOk;
    case RD_KAFKA_RESP_ERR__QUEUE_FULL:
      return absl::StatusCode::kResourceExhausted;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_MSG:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
    case RD_KAFKA_RESP_ERR_INVALID_PARTITIONS:
    case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
    case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
    case RD_KAFKA_RESP_ERR__INVALID_ARG:
      return absl::StatusCode::kInvalidArgument;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
      return absl::StatusCode::kNotFound;
    case RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS:
      return absl::StatusCode::kAlreadyExists;
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
      return absl::StatusCode::kDeadlineExceeded;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
      return absl::StatusCode::kPermissionDenied;
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
      return absl::StatusCode::kUnauthenticated;
    case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION:
      return absl::StatusCode::kUnimplemented;
    default:
      return absl::StatusCode::kUnavailable;
  }
}

ClientEvents& EventsOf(void* opaque) {
  return *static_cast<ClientEvents*>(opaque);
}

// librdkafka tells every failed connection, again and again; what users must know is said once by BrokerWatch. So only
// its cries for help are more than debugging.
void OnLog(const rd_kafka_t* client, int level, const char* facility, const char* text) {
  ClientEvents& events = EventsOf(rd_kafka_opaque(client));
  events.Log({.level = level <= LOG_CRIT ? NoteLevel::kError : NoteLevel::kDebug,
              .message = "librdkafka says",
              .fields = {{"client", events.name()}, {"facility", facility}, {"text", text}}});
}

void OnError(rd_kafka_t*, int error, const char* reason, void* opaque) {
  ClientEvents& events = EventsOf(opaque);
  if (events.on_error) events.on_error(static_cast<rd_kafka_resp_err_t>(error), reason);
}

void OnDelivery(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
  EventsOf(opaque).on_delivery(*message);
}

void OnCommit(rd_kafka_t*, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t* offsets, void* opaque) {
  ClientEvents& events = EventsOf(opaque);
  if (events.on_commit) events.on_commit(error, offsets);
}

void CloseWithin(rd_kafka_t* client, std::shared_ptr<ClientEvents> events, absl::Duration limit) {
  struct Closing {
    Mutex mutex;
    CondVar changed;
    bool is_done ABSL_GUARDED_BY(mutex) = false;
  };
  auto closing = std::make_shared<Closing>();
  // The one thread that is let go: to join it would be to hang where librdkafka hangs.
  std::thread([client, closing, events] {
    // Never leaves a group (nobody joined one) and so never waits for a coordinator.
    rd_kafka_destroy_flags(client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    MutexLock lock(closing->mutex);
    closing->is_done = true;
    closing->changed.SignalAll();
  }).detach();
  const absl::Duration end = Monotonic() + limit;
  bool is_done = false;
  {
    MutexLock lock(closing->mutex);
    while (!closing->is_done && Monotonic() < end) closing->changed.WaitFor(closing->mutex, end - Monotonic());
    is_done = closing->is_done;
  }
  if (!is_done) {
    events->Log({.level = NoteLevel::kWarn,
                 .message = "Kafka client did not close in time: it is left behind",
                 .fields = {{"client", events->name()}, {"limit", absl::FormatDuration(limit)}}});
  }
  events->Mute();
}

}  // namespace

absl::Status ToStatus(rd_kafka_resp_err_t error, absl::string_view what) {
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return absl::OkStatus();
  return absl::Status(CodeOf(error), absl::StrCat(what, ": ", rd_kafka_err2str(error)));
}

int ToMillis(absl::Duration duration) {
  return static_cast<int>(std::clamp<std::int64_t>(absl::ToInt64Milliseconds(duration), 1, 24 * 3600 * 1000));
}

void ClientEvents::Log(const Note& note) {
  MutexLock lock(mutex_);
  if (log_) log_(note);
}

void ClientEvents::Mute() {
  MutexLock lock(mutex_);
  log_ = nullptr;
}

absl::StatusOr<ClientHandle> NewClient(rd_kafka_type_t type, ConfHandle conf, std::shared_ptr<ClientEvents> events,
                                       absl::Duration close_limit) {
  rd_kafka_conf_set_opaque(conf.get(), events.get());
  rd_kafka_conf_set_log_cb(conf.get(), OnLog);
  // Without a callback librdkafka logs its errors; with one they wait for somebody who polls.
  if (events->on_error) rd_kafka_conf_set_error_cb(conf.get(), OnError);
  if (events->on_delivery) rd_kafka_conf_set_dr_msg_cb(conf.get(), OnDelivery);
  if (events->on_commit) rd_kafka_conf_set_offset_commit_cb(conf.get(), OnCommit);
  std::array<char, 512> error{};
  rd_kafka_t* client = rd_kafka_new(type, conf.get(), error.data(), error.size());
  if (client == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("kafka settings refused: ", error.data()));
  }
  (void)conf.release();  // Owned by the client, but only now that there is one.
  return ClientHandle(
      client, [events = std::move(events), close_limit](rd_kafka_t* c) { CloseWithin(c, events, close_limit); });
}

absl::StatusOr<std::string> AskClusterId(rd_kafka_t* client, absl::Duration limit) {
  const rd_kafka_metadata_t* metadata = nullptr;
  const rd_kafka_resp_err_t error =
      rd_kafka_metadata(client, /*all_topics=*/0, /*only_rkt=*/nullptr, &metadata, ToMillis(limit));
  const MetadataHandle owned(metadata);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return ToStatus(error, "metadata");
  char* id = rd_kafka_clusterid(client, 0);
  std::string cluster_id = id == nullptr ? "" : id;
  if (id != nullptr) rd_kafka_mem_free(client, id);
  return cluster_id;
}

}  // namespace ev::kafka
