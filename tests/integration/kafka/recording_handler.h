#ifndef EV_TESTS_INTEGRATION_KAFKA_RECORDING_HANDLER_H_
#define EV_TESTS_INTEGRATION_KAFKA_RECORDING_HANDLER_H_

#include <functional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "base/note.h"
#include "events/subscriber.h"

namespace ev {

struct Received {
  TopicPartition partition;
  std::int64_t generation = 0;
  std::int64_t offset = 0;
  std::int64_t log_end = 0;
  std::string key;
  std::string value;
  std::vector<std::pair<std::string, std::string>> headers;
  absl::Time broker_time;
};

// Keeps everything that a subscriber brings. What it answers can be changed before Start().
class RecordingHandler final : public BatchHandler {
 public:
  std::function<absl::Status(const IncomingBatch&)> answer_batch;
  std::function<absl::StatusOr<std::int64_t>(const Gap&)> answer_gap = [](const Gap& gap) { return gap.low; };
  std::function<absl::Status(absl::string_view)> answer_cluster;

  absl::Status OnCluster(absl::string_view cluster_id) override {
    const absl::Status answer = answer_cluster ? answer_cluster(cluster_id) : absl::OkStatus();
    MutexLock lock(mutex_);
    clusters_.emplace_back(cluster_id);
    changed_.SignalAll();
    return answer;
  }

  absl::Status OnBatch(const IncomingBatch& batch) override {
    const absl::Status answer = answer_batch ? answer_batch(batch) : absl::OkStatus();
    MutexLock lock(mutex_);
    ++offers_;
    changed_.SignalAll();
    if (!answer.ok()) return answer;
    for (const IncomingMessage& message : batch.messages) {
      Received& received = received_.emplace_back();
      received.partition = {.topic = std::string(batch.topic), .partition = batch.partition};
      received.generation = batch.generation;
      received.offset = message.offset;
      received.log_end = batch.log_end;
      received.key = std::string(message.key);
      received.value = std::string(message.value);
      received.broker_time = message.broker_time;
      for (const auto& [name, value] : message.headers) received.headers.emplace_back(name, value);
    }
    return answer;
  }

  absl::StatusOr<std::int64_t> OnGap(const Gap& gap) override {
    absl::StatusOr<std::int64_t> answer = answer_gap(gap);
    MutexLock lock(mutex_);
    gaps_.push_back(gap);
    changed_.SignalAll();
    return answer;
  }

  // Waits until `condition(*this)` holds; false after `limit`.
  bool WaitUntil(const std::function<bool(const RecordingHandler&)>& condition,
                 absl::Duration limit = absl::Seconds(20)) const {
    const absl::Time end = absl::Now() + limit;
    while (!condition(*this)) {
      MutexLock lock(mutex_);
      if (absl::Now() >= end) return false;
      changed_.WaitFor(mutex_, absl::Milliseconds(50));
    }
    return true;
  }
  bool WaitForMessages(std::size_t count) const {
    return WaitUntil([count](const RecordingHandler& h) { return h.received().size() >= count; });
  }

  std::vector<Received> received() const {
    MutexLock lock(mutex_);
    return received_;
  }
  std::vector<std::string> values() const {
    std::vector<std::string> values;
    for (const Received& message : received()) values.push_back(message.value);
    return values;
  }
  std::vector<Gap> gaps() const {
    MutexLock lock(mutex_);
    return gaps_;
  }
  std::vector<std::string> clusters() const {
    MutexLock lock(mutex_);
    return clusters_;
  }
  int offers() const {
    MutexLock lock(mutex_);
    return offers_;
  }

 private:
  mutable Mutex mutex_;
  mutable CondVar changed_;
  std::vector<Received> received_ ABSL_GUARDED_BY(mutex_);
  std::vector<Gap> gaps_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> clusters_ ABSL_GUARDED_BY(mutex_);
  int offers_ ABSL_GUARDED_BY(mutex_) = 0;
};

// Keeps what became of messages: give Note(name) as their callback.
class Deliveries {
 public:
  DeliveryCallback Note(std::string name) {
    return [this, name = std::move(name)](const absl::Status& status) {
      MutexLock lock(mutex_);
      done_.emplace_back(name, status);
    };
  }
  std::vector<std::pair<std::string, absl::Status>> done() const {
    MutexLock lock(mutex_);
    return done_;
  }
  std::size_t size() const { return done().size(); }

 private:
  mutable Mutex mutex_;
  std::vector<std::pair<std::string, absl::Status>> done_ ABSL_GUARDED_BY(mutex_);
};

// Log lines, in their order.
class LogLines {
 public:
  void Add(absl::string_view line) {
    MutexLock lock(mutex_);
    lines_.emplace_back(line);
  }
  // As the log shows it: the message, then its fields.
  void Add(const Note& note) {
    std::string line(note.message);
    for (const NoteField& field : note.fields) {
      std::visit([&](const auto& value) { absl::StrAppend(&line, " ", field.key, "=", value); }, field.value);
    }
    Add(line);
  }
  int CountContaining(absl::string_view text) const {
    MutexLock lock(mutex_);
    int count = 0;
    for (const std::string& line : lines_) count += absl::string_view(line).find(text) != absl::string_view::npos;
    return count;
  }
  std::vector<std::string> All() const {
    MutexLock lock(mutex_);
    return lines_;
  }
  void Clear() {
    MutexLock lock(mutex_);
    lines_.clear();
  }

 private:
  mutable Mutex mutex_;
  std::vector<std::string> lines_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ev

#endif  // EV_TESTS_INTEGRATION_KAFKA_RECORDING_HANDLER_H_
