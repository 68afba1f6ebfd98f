#include "kafka/consumer.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "kafka/assignment.h"
#include "kafka/client.h"
#include "kafka/fetch.h"
#include "kafka/marks.h"
#include "kafka/monotonic.h"
#include "kafka/offset_book.h"
#include "kafka/partition_list.h"
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
    events->on_commit = [this](rd_kafka_resp_err_t error, const rd_kafka_topic_partition_list_t*) {
      marks_->OnSent(error);
    };
    absl::StatusOr<ClientHandle> client =
        NewClient(RD_KAFKA_CONSUMER, *std::move(conf), std::move(events), config_.close_limit);
    if (!client.ok()) return client.status();
    client_ = *std::move(client);
    marks_ = std::make_unique<MarkWriter>(client_.get(), config_.commit_interval, log_);
    rd_kafka_poll_set_consumer(client_.get());  // One queue brings everything, in its order.
    queue_.reset(rd_kafka_queue_get_consumer(client_.get()));
    watch_ = std::make_unique<BrokerWatch>(
        config_.watch,
        Reachability({.client = "consumer",
                      .connected = "Kafka consumers initialized successfully",
                      .away = "Kafka consumer cannot reach its brokers"},
                     config_.kafka.brokers),
        [this](absl::Duration limit) { return AskClusterId(client_.get(), limit); }, log_, std::move(on_health));
    watch_view_ = watch_.get();
    return absl::OkStatus();
  }

  absl::Status Start(const std::vector<TopicPartitionOffset>& positions, BatchHandler& handler) {
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
    marks_->Put({.partition = partition, .next = next, .metadata = std::string(metadata)});
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

  absl::StatusOr<std::vector<Mark>> Marks(const std::vector<TopicPartition>& partitions, absl::Duration limit) const {
    return ReadMarks(client_.get(), partitions, config_.group_id, limit);
  }

 private:
  // ---- The reading thread. ----

  void Run(const std::stop_token& stop) {
    Fetch fetch(config_.max_batch);
    while (!stop.stop_requested()) {
      MovePartitions();
      NoticeCluster();
      DecideGaps();
      if (Health().connected) marks_->Send();
      fetch.Read(queue_.get(), kReadWait);
      HandOn(fetch.messages(), stop);
    }
  }

  void MovePartitions() {
    std::vector<OffsetBook::Move> moves;
    {
      MutexLock lock(mutex_);
      moves = book_.TakeMoves();
    }
    if (moves.empty()) return;
    const auto change = [this](auto* call, Assignment::Moves changed) -> absl::Status {
      const PartitionListHandle list = NewPartitionList(changed.size());
      for (const OffsetBook::Move& move : changed) AddTo(list, move.partition).offset = LogicalOffset(move.next);
      const ErrorHandle error(call(client_.get(), list.get()));
      if (error == nullptr) return absl::OkStatus();
      return ToStatus(rd_kafka_error_code(error.get()), rd_kafka_error_string(error.get()));
    };
    const absl::Status moved = assignment_.Move(
        moves, [&](Assignment::Moves leaving) { return change(rd_kafka_incremental_unassign, leaving); },
        [&](Assignment::Moves coming) { return change(rd_kafka_incremental_assign, coming); });
    if (moved.ok()) return;
    Log({.level = NoteLevel::kError,
         .message = "Kafka consumer cannot take its partitions",
         .fields = {{"error", std::string(moved.message())}}});
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
    Log({.level = NoteLevel::kWarn,
         .message = "Kafka consumer cannot read for now",
         .fields = {{"error", rd_kafka_message_errstr(&message)}}});
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

  // When the reading thread has ended.
  void SendLastMarks() {
    const absl::Duration end = Monotonic() + kLastMarksLimit;
    Fetch rest(1);
    while (Health().connected && Monotonic() < end && !marks_->is_done()) {
      marks_->Hurry();
      marks_->Send();
      rest.Read(queue_.get(), kReadWait);
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
        Log({.level = NoteLevel::kError, .message = "Kafka consumer stands still", .fields = {{"reason", reason}}});
      } else {
        Log({.message = "Kafka consumer goes on"});
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

  void Log(const Note& note) const {
    if (log_) log_(note);
  }

  const ConsumerConfig config_;
  const LogSink log_;
  const StallCallback on_stall_;
  ClientHandle client_;
  QueueHandle queue_;
  std::unique_ptr<MarkWriter> marks_;
  BatchHandler* handler_ = nullptr;
  std::unique_ptr<BrokerWatch> watch_;
  std::atomic<BrokerWatch*> watch_view_ = nullptr;

  Mutex mutex_;
  CondVar wake_;
  OffsetBook book_ ABSL_GUARDED_BY(mutex_);
  bool is_started_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_stopped_ ABSL_GUARDED_BY(mutex_) = false;

  // Of the reading thread.
  Assignment assignment_;
  std::vector<IncomingMessage> views_;
  std::optional<std::string> cluster_;
  bool must_ask_cluster_ = false;
  absl::Duration next_cluster_round_ = -absl::InfiniteDuration();
  absl::Duration next_gap_round_ = -absl::InfiniteDuration();
  absl::flat_hash_map<int, absl::Duration> next_error_line_;
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
  return impl_->Start(positions, handler);
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
