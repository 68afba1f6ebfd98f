#include "kafka/producer.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <optional>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "kafka/client.h"
#include "kafka/handles.h"
#include "kafka/monotonic.h"

namespace ev::kafka {
namespace {

constexpr absl::Duration kPoll = absl::Milliseconds(100);
constexpr absl::Duration kDrainLimit = absl::Seconds(2);
constexpr absl::Duration kMinLife =
    absl::Seconds(1);  // Between two new clients, so that dying at once is no busy loop.

std::vector<Setting> SettingsOf(const ProducerConfig& config) {
  return {
      {"enable.idempotence", "true"},
      {"acks", "all"},
      {"message.timeout.ms", "0"},  // Never expires: the owner's journal is behind it.
      {"partitioner", "murmur2_random"},
      {"compression.type", "lz4"},
      {"message.max.bytes", absl::StrCat(config.max_message_bytes)},
      {"linger.ms", absl::StrCat(absl::ToInt64Milliseconds(config.linger))},
      {"batch.size", "1000000"},
      {"batch.num.messages", "10000"},
      // As high as they go: the bounds are kept here, also while there is no client.
      {"queue.buffering.max.messages", "10000000"},
      {"queue.buffering.max.kbytes", "2147483647"},
  };
}

// librdkafka's view of one message: names, pointers and lengths, valid while the message is.
class ProduceArguments {
 public:
  ProduceArguments(const OutgoingMessage& message, std::uint64_t number) {
    arguments_.reserve(6);
    Add(RD_KAFKA_VTYPE_TOPIC).u.cstr = message.topic.c_str();
    Add(RD_KAFKA_VTYPE_MSGFLAGS).u.i = RD_KAFKA_MSG_F_COPY;
    Add(RD_KAFKA_VTYPE_VALUE).u.mem = {const_cast<char*>(message.value.data()), message.value.size()};
    // Without a key (not: with an empty one) the message goes to any partition.
    if (!message.key.empty()) {
      Add(RD_KAFKA_VTYPE_KEY).u.mem = {const_cast<char*>(message.key.data()), message.key.size()};
    }
    Add(RD_KAFKA_VTYPE_OPAQUE).u.ptr = reinterpret_cast<void*>(number);
    if (message.headers.empty()) return;
    // As one list, and not one by one: of those librdkafka frees its own list twice when there is no such topic
    // (librdkafka issue 4627).
    headers_.reset(rd_kafka_headers_new(message.headers.size()));
    for (const auto& [name, value] : message.headers) {
      rd_kafka_header_add(headers_.get(), name.data(), std::ssize(name), value.data(), std::ssize(value));
    }
    Add(RD_KAFKA_VTYPE_HEADERS).u.headers = headers_.get();
  }

  // Once.
  rd_kafka_resp_err_t Produce(rd_kafka_t* client) {
    const ErrorHandle error(rd_kafka_produceva(client, arguments_.data(), arguments_.size()));
    if (error != nullptr) return rd_kafka_error_code(error.get());
    (void)headers_.release();  // The message has them now.
    return RD_KAFKA_RESP_ERR_NO_ERROR;
  }

 private:
  rd_kafka_vu_t& Add(rd_kafka_vtype_t type) {
    arguments_.emplace_back().vtype = type;
    return arguments_.back();
  }

  std::vector<rd_kafka_vu_t> arguments_;
  HeadersHandle headers_;
};

// By a fatal error, which librdkafka never leaves.
bool HasEnded(rd_kafka_t* client) {
  return rd_kafka_fatal_error(client, nullptr, 0) != RD_KAFKA_RESP_ERR_NO_ERROR;
}

}  // namespace

class Producer::Impl {
 public:
  Impl(ProducerConfig config, LogSink log) : config_(std::move(config)), log_(std::move(log)) {}

  ~Impl() {
    {
      MutexLock lock(mutex_);
      is_closing_ = true;
    }
    poller_.request_stop();
    Wake();
    if (poller_.joinable()) poller_.join();
    watch_view_ = nullptr;
    watch_.reset();
    if (const std::int64_t given_up = queued(); given_up > 0) {
      Log({.level = NoteLevel::kWarn,
           .message = "Kafka producer closed with messages undelivered",
           .fields = {{"messages", given_up}}});
    }
    GiveUp(absl::CancelledError("the producer was closed"));
  }

  absl::Status Open() {
    absl::Status status = Build();
    if (status.ok()) poller_ = std::jthread([this](const std::stop_token& stop) { Poll(stop); });
    return status;
  }

  void StartWatch(HealthCallback on_health) {
    watch_ = std::make_unique<BrokerWatch>(
        config_.watch,
        Reachability({.client = "producer",
                      .connected = "Kafka producer initialized successfully",
                      .away = "Kafka producer cannot reach its brokers"},
                     config_.kafka.brokers),
        [this](absl::Duration limit) -> absl::StatusOr<std::string> {
          const ClientHandle client = Current();
          if (client == nullptr) return absl::UnavailableError("the producer is being replaced");
          absl::StatusOr<std::string> id = AskClusterId(client.get(), limit);
          if (id.ok()) OnCluster(*id);
          return id;
        },
        log_,
        [this, on_health = std::move(on_health)](const BackboneHealth& health) {
          if (!health.connected) Retire();
          if (on_health) on_health(health);
        });
    watch_view_ = watch_.get();
  }

  absl::Status Publish(OutgoingMessage message) {
    MutexLock lock(mutex_);
    if (is_closing_) return absl::UnavailableError("the producer is closing");
    if (std::ssize(undelivered_) >= config_.max_queued_messages ||
        undelivered_bytes_ + SizeOf(message) > config_.max_queued_bytes) {
      return absl::ResourceExhaustedError(
          absl::StrCat("publish to ", message.topic, ": ", undelivered_.size(), " messages wait for the broker"));
    }
    // Entered first: the delivery report may come before librdkafka's call returns.
    const std::uint64_t number = ++last_number_;
    undelivered_bytes_ += SizeOf(message);
    const auto entry = undelivered_.emplace_hint(undelivered_.end(), number, std::move(message));
    if (client_ == nullptr) return absl::OkStatus();  // The next client sends it.
    const absl::Status status = Send(client_.get(), *entry);
    if (!status.ok()) Take(entry);
    return status;
  }

  absl::Status Flush(absl::Duration limit) {
    const absl::Duration end = Monotonic() + limit;
    MutexLock lock(mutex_);
    while (Queued() > 0) {
      const absl::Duration left = end - Monotonic();
      if (left <= absl::ZeroDuration()) {
        return absl::DeadlineExceededError(
            absl::StrCat(Queued(), " messages were not delivered within ", absl::FormatDuration(limit)));
      }
      all_done_.WaitFor(mutex_, left);
    }
    return absl::OkStatus();
  }

  BackboneHealth Health() const { return watch_->Health(); }

  std::int64_t queued() const {
    MutexLock lock(mutex_);
    return Queued();
  }

  std::int64_t replacements() const {
    MutexLock lock(mutex_);
    return replacements_;
  }

 private:
  using Undelivered = std::map<std::uint64_t, OutgoingMessage>;

  // What counts against max_queued_bytes.
  static std::int64_t SizeOf(const OutgoingMessage& message) {
    return static_cast<std::int64_t>(message.key.size() + message.value.size());
  }

  // An error is about this message. A client that has ended takes none; the next one will.
  static absl::Status Send(rd_kafka_t* client, const Undelivered::value_type& entry) {
    const auto& [number, message] = entry;
    const rd_kafka_resp_err_t error = ProduceArguments(message, number).Produce(client);
    if (error == RD_KAFKA_RESP_ERR__FATAL) return absl::OkStatus();
    return ToStatus(error, absl::StrCat("publish to ", message.topic));
  }

  OutgoingMessage Take(Undelivered::iterator entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    OutgoingMessage message = std::move(entry->second);
    undelivered_bytes_ -= SizeOf(message);
    undelivered_.erase(entry);
    return message;
  }

  std::int64_t Queued() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return static_cast<std::int64_t>(undelivered_.size()) + running_callbacks_;
  }

  ClientHandle Current() const {
    MutexLock lock(mutex_);
    return client_;
  }

  // Ends a wait of the poller.
  void Wake() {
    const ClientHandle client = Current();
    if (client == nullptr) return;
    const QueueHandle queue(rd_kafka_queue_get_main(client.get()));
    rd_kafka_queue_yield(queue.get());
  }

  absl::Status Build() {
    last_build_ = Monotonic();  // Whether it succeeds or not: failing at once is no busy loop either.
    absl::StatusOr<ConfHandle> conf = NewConf(config_.kafka, SettingsOf(config_));
    if (!conf.ok()) return conf.status();
    auto events = std::make_shared<ClientEvents>("producer", log_);
    events->on_delivery = [this](const rd_kafka_message_t& message) { OnDelivery(message); };
    events->on_error = [this](rd_kafka_resp_err_t error, absl::string_view reason) { OnError(error, reason); };
    absl::StatusOr<ClientHandle> client =
        NewClient(RD_KAFKA_PRODUCER, *std::move(conf), std::move(events), config_.close_limit);
    if (!client.ok()) return client.status();
    // A topic that is known to the client has its leaders looked up with the first connection. Letting go of the handle
    // does not forget the topic.
    for (const std::string& topic : config_.topics) {
      if (TopicHandle(rd_kafka_topic_new(client->get(), topic.c_str(), nullptr)) == nullptr) {
        return absl::InvalidArgumentError(absl::StrCat("kafka topic '", topic, "' is not a topic name"));
      }
    }
    SendAll(*std::move(client));
    return absl::OkStatus();
  }

  // Makes `client` the one in use. What no client has delivered goes first, in the order of publishing; nobody
  // publishes meanwhile.
  void SendAll(ClientHandle client) {
    std::vector<std::pair<std::uint64_t, absl::Status>> refused;
    {
      MutexLock lock(mutex_);
      for (const auto& entry : undelivered_) {
        if (absl::Status status = Send(client.get(), entry); !status.ok()) refused.emplace_back(entry.first, status);
      }
      client_ = std::move(client);
    }
    for (const auto& [number, status] : refused) Done(number, status);
  }

  void Poll(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      if (const ClientHandle client = Current(); client != nullptr) {
        rd_kafka_poll(client.get(), ToMillis(kPoll));
        if (!HasEnded(client.get()) && !is_retired_.exchange(false)) continue;
      }
      Replace(stop);
    }
  }

  // Of the thread that watches. Another cluster may answer although its predecessor was not missed.
  void OnCluster(const std::string& id) {
    if (id != cluster_id_) Retire();
    cluster_id_ = id;
  }

  // Of the thread that watches. An empty broker may come back under the same address, and gives producer ids from the
  // first on: the one that this client got from the old broker will be another program's, and Kafka takes the later
  // one's records for repeats: acknowledged, and not stored. So no client outlives its connection.
  void Retire() {
    if (cluster_id_.empty()) return;  // It has not been connected yet.
    cluster_id_.clear();
    is_retired_ = true;
    Wake();
  }

  void OnDelivery(const rd_kafka_message_t& message) {
    const auto number = reinterpret_cast<std::uint64_t>(message._private);
    if (message.err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      if (BrokerWatch* watch = watch_view_) watch->OnHeard();
      Done(number, absl::OkStatus());
    } else if (!is_dropping_ && !HasEnded(Current().get())) {  // Else the next client sends it.
      Done(number, ToStatus(message.err, absl::StrCat("deliver to ", rd_kafka_topic_name(message.rkt))));
    }
  }

  void Done(std::uint64_t number, const absl::Status& status) {
    OutgoingMessage message;
    {
      MutexLock lock(mutex_);
      const auto entry = undelivered_.find(number);
      if (entry == undelivered_.end()) return;
      message = Take(entry);
      ++running_callbacks_;
    }
    if (message.done) message.done(status);
    MutexLock lock(mutex_);
    --running_callbacks_;
    if (Queued() == 0) all_done_.SignalAll();
  }

  void OnError(rd_kafka_resp_err_t error, absl::string_view reason) {
    // The first is Poll()'s to see. "All brokers are down" says less than the failed connections before it.
    if (error == RD_KAFKA_RESP_ERR__FATAL || error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) return;
    if (BrokerWatch* watch = watch_view_) watch->OnTrouble(reason);
  }

  void Replace(const std::stop_token& stop) {
    SayIfItEnded();
    DropClient();
    PauseUntil(last_build_ + kMinLife, stop);
    if (stop.stop_requested()) return;
    if (absl::Status status = Build(); !status.ok()) {
      Log({.level = NoteLevel::kError,
           .message = "Kafka producer cannot be built again",
           .fields = {{"error", std::string(status.message())}}});
      return;
    }
    MutexLock lock(mutex_);
    ++replacements_;
  }

  void SayIfItEnded() const {
    const ClientHandle client = Current();
    if (client == nullptr || !HasEnded(client.get())) return;
    std::array<char, 512> reason{};
    const rd_kafka_resp_err_t error = rd_kafka_fatal_error(client.get(), reason.data(), reason.size());
    Log({.level = NoteLevel::kWarn,
         .message = "Kafka producer ended: a new one is built and sends what is not delivered",
         .fields = {{"error", rd_kafka_err2name(error)}, {"reason", reason.data()}, {"messages", queued()}}});
  }

  // Takes the client out of use. Its last reports say what did arrive; the rest stays undelivered.
  void DropClient() {
    ClientHandle client;
    {
      MutexLock lock(mutex_);
      client = std::exchange(client_, nullptr);
    }
    if (client == nullptr) return;
    is_dropping_ = true;
    rd_kafka_purge(client.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
    const absl::Duration end = Monotonic() + kDrainLimit;
    while (rd_kafka_outq_len(client.get()) > 0 && Monotonic() < end) rd_kafka_poll(client.get(), ToMillis(kPoll));
    is_dropping_ = false;
  }

  // Tells `status` for everything that is not delivered, in the order of publishing.
  void GiveUp(const absl::Status& status) {
    DropClient();
    while (const std::optional<std::uint64_t> oldest = OldestUndelivered()) Done(*oldest, status);
  }

  std::optional<std::uint64_t> OldestUndelivered() const {
    MutexLock lock(mutex_);
    if (undelivered_.empty()) return std::nullopt;
    return undelivered_.begin()->first;
  }

  void PauseUntil(absl::Duration end, const std::stop_token& stop) {
    MutexLock lock(mutex_);
    while (!stop.stop_requested() && Monotonic() < end) pause_.WaitFor(mutex_, std::min(kPoll, end - Monotonic()));
  }

  void Log(const Note& note) const {
    if (log_) log_(note);
  }

  const ProducerConfig config_;
  const LogSink log_;
  mutable Mutex mutex_;
  CondVar all_done_;
  CondVar pause_;
  ClientHandle client_ ABSL_GUARDED_BY(mutex_);      // Null while it is replaced.
  Undelivered undelivered_ ABSL_GUARDED_BY(mutex_);  // By number: in the order of publishing.
  std::int64_t undelivered_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t last_number_ ABSL_GUARDED_BY(mutex_) = 0;
  std::int64_t running_callbacks_ ABSL_GUARDED_BY(mutex_) = 0;
  std::int64_t replacements_ ABSL_GUARDED_BY(mutex_) = 0;
  bool is_closing_ ABSL_GUARDED_BY(mutex_) = false;
  // Of the thread that polls (the destructor, when that has ended).
  bool is_dropping_ = false;
  absl::Duration last_build_;
  std::atomic<bool> is_retired_ = false;
  std::string cluster_id_;  // The client's; empty until a broker answers. Of the thread that watches.
  std::unique_ptr<BrokerWatch> watch_;
  std::atomic<BrokerWatch*> watch_view_ = nullptr;  // The same for the polling thread, which starts before it.
  std::jthread poller_;                             // Last: stops before anything it uses is destroyed.
};

absl::StatusOr<std::unique_ptr<Producer>> Producer::Create(ProducerConfig config, LogSink log,
                                                           HealthCallback on_health) {
  auto impl = std::make_unique<Impl>(std::move(config), std::move(log));
  if (absl::Status status = impl->Open(); !status.ok()) return status;
  impl->StartWatch(std::move(on_health));
  return std::unique_ptr<Producer>(new Producer(std::move(impl)));
}

Producer::Producer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Producer::~Producer() = default;

absl::Status Producer::Publish(OutgoingMessage message) {
  return impl_->Publish(std::move(message));
}
absl::Status Producer::Flush(absl::Duration limit) {
  return impl_->Flush(limit);
}
BackboneHealth Producer::Health() const {
  return impl_->Health();
}
std::int64_t Producer::queued() const {
  return impl_->queued();
}
std::int64_t Producer::replacements() const {
  return impl_->replacements();
}

}  // namespace ev::kafka
