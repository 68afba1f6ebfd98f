#ifndef EV_KAFKA_CLIENT_H_
#define EV_KAFKA_CLIENT_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "kafka/handles.h"
#include "kafka/kafka_config.h"
#include "kafka/log_sink.h"

// What producer, consumer and admin share. Internal to libs/kafka.

namespace ev::kafka {

// The one translation of librdkafka's errors. `what` says what was tried.
absl::Status ToStatus(rd_kafka_resp_err_t error, absl::string_view what);

// Milliseconds as librdkafka takes them: at least 1, so that "a little" never means "do not wait" or "for ever".
int ToMillis(absl::Duration duration);

// A configuration from `config` with `own` settings under the extra ones. Errors as ValidateKafkaConfig().
absl::StatusOr<ConfHandle> NewConf(const KafkaConfig& config, const std::vector<Setting>& own);

// What librdkafka calls back. `on_error` and `on_delivery` run in whatever thread polls the client, `log` in any.
class ClientEvents {
 public:
  using ErrorCallback = std::function<void(rd_kafka_resp_err_t, absl::string_view reason)>;
  using DeliveryReport = std::function<void(const rd_kafka_message_t&)>;
  using CommitReport = std::function<void(rd_kafka_resp_err_t, const rd_kafka_topic_partition_list_t*)>;

  // `name` says whose a note is.
  ClientEvents(std::string name, LogSink log) : name_(std::move(name)), log_(std::move(log)) {}

  ErrorCallback on_error;
  DeliveryReport on_delivery;
  CommitReport on_commit;

  void Log(const Note& note);
  // From now on nothing is logged: the sink may be gone before librdkafka's last thread is.
  void Mute();
  const std::string& name() const { return name_; }

 private:
  const std::string name_;
  Mutex mutex_;
  LogSink log_ ABSL_GUARDED_BY(mutex_);
};

// A client lives as long as anyone holds it. The last to let go waits for its end at most `close_limit`: closing hangs
// in rare states of librdkafka, and then its threads are left behind, muted, instead of the process.
using ClientHandle = std::shared_ptr<rd_kafka_t>;

absl::StatusOr<ClientHandle> NewClient(rd_kafka_type_t type, ConfHandle conf, std::shared_ptr<ClientEvents> events,
                                       absl::Duration close_limit = absl::Seconds(5));

// Asks a broker for metadata, which only a living one answers, and returns the cluster's id ("" when it has none).
absl::StatusOr<std::string> AskClusterId(rd_kafka_t* client, absl::Duration limit);

}  // namespace ev::kafka

#endif  // EV_KAFKA_CLIENT_H_
