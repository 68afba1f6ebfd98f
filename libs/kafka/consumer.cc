#include "kafka/consumer.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <functional>
#include <thread>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "kafka/client.h"
#include "kafka/monotonic.h"
#include "kafka/offset_book.h"
#include "kafka/stall_watch.h"

namespace ev::kafka {
namespace {

constexpr absl::Duration kReadWait = absl::Milliseconds(100);
constexpr absl::Duration kAnswerLimit = absl::Seconds(1);
constexpr absl::Duration kGapPause = absl::Milliseconds(500);
constexpr absl::Duration kLastMarksLimit = absl::Seconds(1);
constexpr absl::Duration kErrorLinePause = absl::Seconds(10);

std::vector<Setting> SettingsOf(const ConsumerConfig& config) {
  return {
      {"group.id", config.group_id},
      {"enable.auto.commit", "false"},
      {"enable.auto.offset.store", "false"},
      {"auto.offset.reset", "error"},    // A gap is the owner's to decide.
      {"enable.partition.eof", "true"},  // What tells that a log was read to its end.
      {"allow.auto.create.topics", "false"},
      // With the defaults fetching stalls for up to a second each time the queue has been full.
      {"queued.min.messages", "1000000"},
      {"queued.max.messages.kbytes", absl::StrCat(config.max_prefetch_bytes / 1024)},
      {"fetch.wait.max.ms", absl::StrCat(absl::ToInt64Milliseconds(config.fetch_wait))},
      {"fetch.error.backoff.ms", "100"},
  };
}

std::int64_t LogicalOffset(const std::optional<std::int64_t>& next) {
  if (!next.has_value()) return RD_KAFKA_OFFSET_BEGINNING;
  return *next == kLogEnd ? RD_KAFKA_OFFSET_END : *next;
}

PartitionListHandle NewPartitionList(std::size_t size) {
  return PartitionListHandle(rd_kafka_topic_partition_list_new(static_cast<int>(size)));
}

rd_kafka_topic_partition_t& AddTo(const PartitionListHandle& list, const TopicPartition& partition) {
  return *rd_kafka_topic_partition_list_add(list.get(), partition.topic.c_str(), partition.partition);
}

void SetMetadata(rd_kafka_topic_partition_t& element, const std::string& metadata) {
  if (metadata.empty()) return;
  element.metadata = rd_kafka_mem_malloc(nullptr, metadata.size());  // Freed with the list.
  element.metadata_size = metadata.size();
  std::memcpy(element.metadata, metadata.data(), metadata.size());
}

TopicPartition PartitionOf(const rd_kafka_message_t& message) {
  return {.topic = rd_kafka_topic_name(message.rkt), .partition = message.partition};
}

void ReadHeaders(rd_kafka_message_t* message, IncomingMessage& out) {
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) return;
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  for (std::size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
       ++i) {
    out.headers.emplace_back(name, absl::string_view(static_cast<const char*>(value), value == nullptr ? 0 : size));
  }
}

IncomingMessage View(rd_kafka_message_t* message) {
  rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
  const std::int64_t millis = rd_kafka_message_timestamp(message, &type);
  IncomingMessage view{
      .offset = message->offset,
      .key = {static_cast<const char*>(message->key), message->key_len},
      .value = {static_cast<const char*>(message->payload), message->len},
      .headers = {},
      .broker_time = type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? absl::InfinitePast() : absl::FromUnixMillis(millis)};
  ReadHeaders(message, view);
  return view;
}

// What one call of librdkafka brought.
class Catch {
 public:
  explicit Catch(int max) : messages_(static_cast<std::size_t>(max)) {}
  ~Catch() { Release(); }
  Catch(const Catch&) = delete;
  Catch& operator=(const Catch&) = delete;

  void Read(rd_kafka_queue_t* queue) {
    Release();
    count_ = std::max<ssize_t>(
        0, rd_kafka_consume_batch_queue(queue, ToMillis(kReadWait), messages_.data(), messages_.size()));
    // Brings each partition's messages together; their order stays.
    const auto before = [](const rd_kafka_message_t* a, const rd_kafka_message_t* b) {
      return a->rkt == b->rkt ? a->partition < b->partition : std::less<>{}(a->rkt, b->rkt);
    };
    std::stable_sort(messages_.begin(), messages_.begin() + count_, before);
  }

  absl::Span<rd_kafka_message_t* const> messages() const {
    return {messages_.data(), static_cast<std::size_t>(count_)};
  }

 private:
  void Release() {
    for (ssize_t i = 0; i < count_; ++i) rd_kafka_message_destroy(messages_[static_cast<std::size_t>(i)]);
    count_ = 0;
  }

  std::vector<rd_kafka_message_t*> messages_;
  ssize_t count_ = 0;
};

}  // namespace

class Consumer::Impl {
 public:
  Impl(ConsumerConfig config, LogSink log, StallCallback on_stall)
      : config_(std::move(config)), log_(std::move(log)), on_stall_(std::move(on_stall)) {}

  ~Impl() {
    Stop();
    watch_view_ = nullptr;
    watch_.reset();
    queue_.reset();
    client_.reset();
  }

  absl::Status Open(HealthCallback on_health) {
    if (config_.group_id.empty()) return absl::InvalidArgumentError("kafka consumer group id is empty");
    if (config_.max_batch < 1) return absl::InvalidArgumentError("kafka consumer batch size is not positive");
    if (config_.stall.looks < 1) return absl::InvalidArgumentError("kafka consumer stall looks are not positive");
    absl::StatusOr<ConfHandle> conf = NewConf(config_.kafka, SettingsOf(config_));
    if (!conf.ok()) return conf.status();
    auto events = std::make_shared<ClientEvents>("consumer", log_);
    events->on_error = [this](rd_kafka_resp_err_t error, absl::string_view reason) { OnError(error, reason); };
    events->on_commit = [this](rd_kafka_resp_err_t error, const rd_kafka_topic_partition_list_t* offsets) {
      OnCommitted(error, offsets);
    };
    absl::StatusOr<ClientHandle> client =
        NewClient(RD_KAFKA_CONSUMER, *std::move(conf), std::move(events), config_.close_limit);
    if (!client.ok()) return client.status();
    client_ = *std::move(client);
    rd_kafka_poll_set_consumer(client_.get());  // One queue brings everything, in its order.
    queue_.reset(rd_kafka_queue_get_consumer(client_.get()));
    watch_ = std::make_unique<BrokerWatch>(
        config_.watch, Reachability("consumer", config_.kafka.brokers, "Kafka consumers initialized successfully"),
        [this](absl::Duration limit) { return AskClusterId(client_.get(), limit); }, log_, std::move(on_health));
    watch_view_ = watch_.get();
    return absl::OkStatus();
  }

  absl::Status Start(std::vector<TopicPartitionOffset> positions, BatchHandler& handler) {
    {
      MutexLock lock(mutex_);
      if (is_started_ || is_stopped_) return absl::FailedPreconditionError("the consumer was started before");
      OffsetBook book;
      for (const TopicPartitionOffset& position : positions) {
        if (absl::Status status = book.Add(position); !status.ok()) return status;
      }
      book_ = std::move(book);
      is_started_ = true;
    }
    handler_ = &handler;
    thread_ = std::jthread([this](const std::stop_token& stop) { Run(stop); });
    stall_thread_ = std::jthread([this](const std::stop_token& stop) { WatchProgress(stop); });
    return absl::OkStatus();
  }

  absl::StatusOr<std::int64_t> Rewind(const TopicPartition& partition, std::optional<std::int64_t> next) {
    MutexLock lock(mutex_);
    absl::StatusOr<std::int64_t> generation = book_.Rewind(partition, next);
    wake_.SignalAll();
    rd_kafka_queue_yield(queue_.get());
    return generation;
  }

  void CommitBehind(const TopicPartition& partition, std::int64_t next, absl::string_view metadata) {
    MutexLock lock(mutex_);
    marks_[partition] = Mark{.partition = partition, .next = next, .metadata = std::string(metadata)};
  }

  void Stop() {
    {
      MutexLock lock(mutex_);
      is_stopped_ = true;
    }
    if (!thread_.joinable()) return;
    thread_.request_stop();
    stall_thread_.request_stop();
    {
      MutexLock lock(mutex_);
      wake_.SignalAll();
    }
    rd_kafka_queue_yield(queue_.get());
    thread_.join();
    stall_thread_.join();
    SendLastMarks();
  }

  BackboneHealth Health() const { return watch_->Health(); }

  absl::StatusOr<std::vector<Mark>> Marks(const std::vector<TopicPartition>& partitions, absl::Duration limit) {
    const PartitionListHandle list = NewPartitionList(partitions.size());
    for (const TopicPartition& partition : partitions) AddTo(list, partition);
    const rd_kafka_resp_err_t error = rd_kafka_committed(client_.get(), list.get(), ToMillis(limit));
    const std::string what = absl::StrCat("marks of group ", config_.group_id);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return ToStatus(error, what);
    std::vector<Mark> marks;
    for (const rd_kafka_topic_partition_t& found : absl::MakeSpan(list->elems, static_cast<std::size_t>(list->cnt))) {
      if (found.err != RD_KAFKA_RESP_ERR_NO_ERROR) return ToStatus(found.err, what);
      if (found.offset < 0) continue;
      marks.push_back({.partition = {.topic = found.topic, .partition = found.partition},
                       .next = found.offset,
                       .metadata = std::string(static_cast<const char*>(found.metadata), found.metadata_size)});
    }
    return marks;
  }

 private:
  // ---- The reading thread. ----

  void Run(const std::stop_token& stop) {
    Catch batch(config_.max_batch);
    while (!stop.stop_requested()) {
      MovePartitions();
      NoticeCluster();
      DecideGaps();
      SendMarks();
      batch.Read(queue_.get());
      HandOn(batch.messages(), stop);
    }
  }

  // Taken out and assigned anew rather than sought: a partition that librdkafka has given up after an offset out of
  // range refuses to seek.
  void MovePartitions() {
    std::vector<OffsetBook::Move> moves;
    {
      MutexLock lock(mutex_);
      moves = book_.TakeMoves();
    }
    if (moves.empty()) return;
    const PartitionListHandle leaving = NewPartitionList(moves.size());
    const PartitionListHandle coming = NewPartitionList(moves.size());
    for (const OffsetBook::Move& move : moves) {
      if (!assigned_.insert(move.partition).second) AddTo(leaving, move.partition);
      AddTo(coming, move.partition).offset = LogicalOffset(move.next);
    }
    ErrorHandle error;
    if (leaving->cnt > 0) error.reset(rd_kafka_incremental_unassign(client_.get(), leaving.get()));
    if (error == nullptr) error.reset(rd_kafka_incremental_assign(client_.get(), coming.get()));
    if (error == nullptr) return;
    Log(LogLevel::kError,
        absl::StrCat("Kafka consumer cannot take its partitions: ", rd_kafka_error_string(error.get())));
    MutexLock lock(mutex_);
    for (const OffsetBook::Move& move : moves) book_.Lose(move.partition);  // Tried again at the pace of gaps.
  }

  // The brokers say which cluster they are also while no message comes: a log that is empty, or without its topics,
  // must not be waited at for ever.
  void NoticeCluster() {
    const std::string id = Health().cluster_id;
    if (id.empty() || id == cluster_ || Monotonic() < next_cluster_round_) return;
    next_cluster_round_ = Monotonic() + kGapPause;
    must_ask_cluster_ = true;
    (void)IsClusterTaken();  // If not, the owner is asked again in the next round.
  }

  void DecideGaps() {
    std::vector<Gap> gaps;
    {
      MutexLock lock(mutex_);
      gaps = book_.Lost();
    }
    if (gaps.empty() || Monotonic() < next_gap_round_) return;
    next_gap_round_ = Monotonic() + kGapPause;
    if (!IsClusterTaken()) return;
    for (Gap& gap : gaps) {
      {
        MutexLock lock(mutex_);
        if (book_.MoveAgain(gap.partition, gap.generation)) continue;
      }
      if (rd_kafka_query_watermark_offsets(client_.get(), gap.partition.topic.c_str(), gap.partition.partition,
                                           &gap.low, &gap.high, ToMillis(kAnswerLimit)) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        continue;
      }
      std::int64_t next = gap.wanted_next;
      if (next < gap.low || next > gap.high) {
        const absl::StatusOr<std::int64_t> decided = handler_->OnGap(gap);
        if (!decided.ok()) continue;
        next = std::clamp(*decided, gap.low, gap.high);
      }
      MutexLock lock(mutex_);
      book_.Decide(gap.partition, gap.generation, next);
    }
  }

  // Whether the owner has agreed to read from the cluster that is there now.
  bool IsClusterTaken() {
    std::string id;
    if (must_ask_cluster_) {
      // A connection has broken: the one that was made since may lead elsewhere.
      const absl::StatusOr<std::string> answer = AskClusterId(client_.get(), kAnswerLimit);
      if (!answer.ok()) return false;
      must_ask_cluster_ = false;
      id = *answer;
    } else {
      char* known = rd_kafka_clusterid(client_.get(), 0);
      if (known != nullptr) id = known;
      rd_kafka_mem_free(client_.get(), known);
    }
    if (cluster_ == id) return true;
    if (!handler_->OnCluster(id).ok()) return false;
    cluster_ = id;
    return true;
  }

  void HandOn(absl::Span<rd_kafka_message_t* const> messages, const std::stop_token& stop) {
    while (!messages.empty()) {
      const rd_kafka_message_t* first = messages.front();
      if (first->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        MutexLock lock(mutex_);
        book_.AtEnd(PartitionOf(*first), first->offset);
        messages.remove_prefix(1);
        continue;
      }
      if (first->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        OnMessageError(*first);
        messages.remove_prefix(1);
        continue;
      }
      std::size_t count = 1;
      while (count < messages.size() && messages[count]->err == RD_KAFKA_RESP_ERR_NO_ERROR &&
             messages[count]->rkt == first->rkt && messages[count]->partition == first->partition) {
        ++count;
      }
      HandOnRun(messages.subspan(0, count), stop);
      messages.remove_prefix(count);
    }
  }

  // Offers one partition's messages until they are taken, or count no more. What was read from a cluster that the owner
  // refuses is not kept until it agrees: it may agree to another one, whose messages these are not.
  void HandOnRun(absl::Span<rd_kafka_message_t* const> run, const std::stop_token& stop) {
    const TopicPartition partition = PartitionOf(*run.front());
    absl::Duration pause = absl::Milliseconds(20);
    while (!stop.stop_requested()) {
      if (!IsClusterTaken()) {
        MutexLock lock(mutex_);
        book_.Lose(partition);
        return;
      }
      IncomingBatch batch{.topic = partition.topic, .partition = partition.partition, .messages = {}};
      {
        // Looked up for each offer: the owner may have rewound the partition meanwhile.
        MutexLock lock(mutex_);
        while (!run.empty() && !book_.Accepts(partition, run.front()->offset)) run.remove_prefix(1);
        batch.generation = book_.GenerationOf(partition);
      }
      if (run.empty()) return;
      if (Offer(run, batch)) {
        MutexLock lock(mutex_);
        book_.Taken(partition, batch.generation, run.back()->offset);
        return;
      }
      Pause(pause, stop);
      pause = std::min(pause * 2, absl::Seconds(1));
    }
  }

  bool Offer(absl::Span<rd_kafka_message_t* const> run, IncomingBatch& batch) {
    views_.clear();
    for (rd_kafka_message_t* message : run) views_.push_back(View(message));
    std::int64_t low = 0;
    std::int64_t high = 0;
    rd_kafka_get_watermark_offsets(client_.get(), std::string(batch.topic).c_str(), batch.partition, &low, &high);
    batch.log_end = std::max(high, views_.back().offset + 1);
    batch.messages = views_;
    return handler_->OnBatch(batch).ok();
  }

  void OnMessageError(const rd_kafka_message_t& message) {
    if (message.rkt != nullptr &&
        (message.err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET || message.err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE)) {
      MutexLock lock(mutex_);
      book_.Lose(PartitionOf(message));
      return;
    }
    // librdkafka tries again by itself and tells the same error each time.
    absl::Duration& next_line = next_error_line_[message.err];
    if (Monotonic() < next_line) return;
    next_line = Monotonic() + kErrorLinePause;
    Log(LogLevel::kWarning, absl::StrCat("Kafka consumer: ", rd_kafka_message_errstr(&message)));
  }

  void OnError(rd_kafka_resp_err_t error, absl::string_view reason) {
    if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) return;  // Says less than the failed connections before it.
    must_ask_cluster_ = true;
    if (BrokerWatch* watch = watch_view_) watch->OnTrouble(reason);
  }

  // Waits, but not for somebody who waits for a rewind or for the end.
  void Pause(absl::Duration duration, const std::stop_token& stop) {
    const absl::Duration end = Monotonic() + duration;
    MutexLock lock(mutex_);
    while (!stop.stop_requested() && !book_.HasMoves() && Monotonic() < end) wake_.WaitFor(mutex_, end - Monotonic());
  }

  // ---- Marks: sent by the reading thread, and by Stop() when that has ended. ----

  void SendMarks() {
    if (is_commit_running_ || Monotonic() < next_commit_) return;
    // A commit that no broker can take yet would keep librdkafka 2.0.2 from ever closing.
    if (!Health().connected) return;
    {
      MutexLock lock(mutex_);
      sent_marks_ = std::exchange(marks_, {});
    }
    if (sent_marks_.empty()) return;
    const PartitionListHandle list = NewPartitionList(sent_marks_.size());
    for (const auto& [partition, mark] : sent_marks_) {
      rd_kafka_topic_partition_t& element = AddTo(list, partition);
      element.offset = mark.next;
      SetMetadata(element, mark.metadata);
    }
    next_commit_ = Monotonic() + config_.commit_interval;
    is_commit_running_ = true;
    if (const rd_kafka_resp_err_t error = rd_kafka_commit(client_.get(), list.get(), /*async=*/1);
        error != RD_KAFKA_RESP_ERR_NO_ERROR) {
      OnCommitted(error, nullptr);
    }
  }

  void OnCommitted(rd_kafka_resp_err_t error, const rd_kafka_topic_partition_list_t*) {
    is_commit_running_ = false;
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR || error == RD_KAFKA_RESP_ERR__NO_OFFSET) return;
    Log(LogLevel::kDebug, absl::StrCat("Kafka consumer could not commit its marks: ", rd_kafka_err2str(error)));
    MutexLock lock(mutex_);
    for (auto& [partition, mark] : sent_marks_) marks_.try_emplace(partition, std::move(mark));  // Newer ones win.
  }

  void SendLastMarks() {
    const absl::Duration end = Monotonic() + kLastMarksLimit;
    Catch rest(1);
    while (Health().connected && Monotonic() < end) {
      {
        MutexLock lock(mutex_);
        if (marks_.empty() && !is_commit_running_) return;
      }
      next_commit_ = -absl::InfiniteDuration();
      SendMarks();
      rest.Read(queue_.get());
    }
  }

  // ---- The thread that watches the progress: apart, because the reading one may be what hangs. ----

  void WatchProgress(const std::stop_token& stop) {
    StallWatch watch(config_.stall.looks);
    bool was_stalled = false;
    while (WaitForLook(stop)) {
      LookAtProgress(watch);
      const std::string reason = watch.Reason();
      if (stop.stop_requested() || std::exchange(was_stalled, !reason.empty()) == was_stalled) continue;
      if (was_stalled) {
        Log(LogLevel::kError, absl::StrCat("Kafka consumer stands still: ", reason));
      } else {
        Log(LogLevel::kInfo, "Kafka consumer goes on");
      }
      if (on_stall_) on_stall_(reason);
    }
  }

  bool WaitForLook(const std::stop_token& stop) {
    const absl::Duration end = Monotonic() + config_.stall.interval;
    MutexLock lock(mutex_);
    while (!stop.stop_requested() && Monotonic() < end) wake_.WaitFor(mutex_, end - Monotonic());
    return !stop.stop_requested();
  }

  void LookAtProgress(StallWatch& watch) {
    if (!Health().connected) return watch.Pause();
    std::vector<OffsetBook::Move> read;
    {
      MutexLock lock(mutex_);
      read = book_.Positions();  // Before the ends: what comes in between is no arrears.
    }
    const PartitionListHandle ends = NewPartitionList(read.size());
    for (const OffsetBook::Move& position : read) AddTo(ends, position.partition).offset = RD_KAFKA_OFFSET_END;
    // One request for each broker, whatever the number of partitions.
    rd_kafka_resp_err_t error = rd_kafka_offsets_for_times(client_.get(), ends.get(), ToMillis(kAnswerLimit));
    std::vector<StallWatch::Position> positions;
    for (std::size_t i = 0; i < read.size(); ++i) {
      const rd_kafka_topic_partition_t& end = ends->elems[i];
      if (error == RD_KAFKA_RESP_ERR_NO_ERROR) error = end.err;
      positions.push_back({.partition = read[i].partition, .next = read[i].next, .log_end = end.offset});
    }
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return watch.LookFailed(rd_kafka_err2str(error));
    watch.Look(positions);
  }

  void Log(LogLevel level, absl::string_view text) const {
    if (log_) log_(level, text);
  }

  const ConsumerConfig config_;
  const LogSink log_;
  const StallCallback on_stall_;
  ClientHandle client_;
  QueueHandle queue_;
  BatchHandler* handler_ = nullptr;
  std::unique_ptr<BrokerWatch> watch_;
  std::atomic<BrokerWatch*> watch_view_ = nullptr;

  Mutex mutex_;
  CondVar wake_;
  OffsetBook book_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<TopicPartition, Mark> marks_ ABSL_GUARDED_BY(mutex_);
  bool is_started_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_stopped_ ABSL_GUARDED_BY(mutex_) = false;

  // Of the reading thread.
  absl::flat_hash_set<TopicPartition> assigned_;
  std::vector<IncomingMessage> views_;
  std::optional<std::string> cluster_;
  bool must_ask_cluster_ = false;
  absl::Duration next_cluster_round_ = -absl::InfiniteDuration();
  absl::Duration next_gap_round_ = -absl::InfiniteDuration();
  absl::flat_hash_map<int, absl::Duration> next_error_line_;
  absl::flat_hash_map<TopicPartition, Mark> sent_marks_;
  bool is_commit_running_ = false;
  absl::Duration next_commit_ = -absl::InfiniteDuration();
  std::jthread thread_;  // Last, both: they stop before anything they use is destroyed.
  std::jthread stall_thread_;
};

absl::StatusOr<std::unique_ptr<Consumer>> Consumer::Create(ConsumerConfig config, LogSink log, HealthCallback on_health,
                                                           StallCallback on_stall) {
  auto impl = std::make_unique<Impl>(std::move(config), std::move(log), std::move(on_stall));
  if (absl::Status status = impl->Open(std::move(on_health)); !status.ok()) return status;
  return std::unique_ptr<Consumer>(new Consumer(std::move(impl)));
}

Consumer::Consumer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Consumer::~Consumer() = default;

absl::Status Consumer::Start(std::vector<TopicPartitionOffset> positions, BatchHandler& handler) {
  return impl_->Start(std::move(positions), handler);
}
absl::StatusOr<std::int64_t> Consumer::Rewind(const TopicPartition& partition, std::optional<std::int64_t> next) {
  return impl_->Rewind(partition, next);
}
void Consumer::CommitBehind(const TopicPartition& partition, std::int64_t next, absl::string_view metadata) {
  impl_->CommitBehind(partition, next, metadata);
}
void Consumer::Stop() {
  impl_->Stop();
}
BackboneHealth Consumer::Health() const {
  return impl_->Health();
}
absl::StatusOr<std::vector<Mark>> Consumer::Marks(const std::vector<TopicPartition>& partitions, absl::Duration limit) {
  return impl_->Marks(partitions, limit);
}

}  // namespace ev::kafka
