#ifndef EV_EVENTS_INMEMORY_INMEMORY_PUBLISHER_H_
#define EV_EVENTS_INMEMORY_INMEMORY_PUBLISHER_H_

#include <cstddef>
#include <deque>
#include <thread>

#include "events/inmemory/inmemory_log.h"

namespace ev {

// Publishes to an InMemoryLog, which must outlive it. Owns one thread, which stores and runs the callbacks; what is
// left at destruction is told as Cancelled.
class InMemoryPublisher final : public Publisher {
 public:
  explicit InMemoryPublisher(InMemoryLog& log, std::size_t max_queued = 100'000);
  ~InMemoryPublisher() override;

  absl::Status Publish(OutgoingMessage message) override;
  absl::Status Flush(absl::Duration limit) override;
  BackboneHealth Health() const override;

 private:
  void Run(const std::stop_token& stop);
  // Stores the oldest message; false when there is none or the log is down.
  bool StoreOne();

  InMemoryLog& log_;
  const std::size_t max_queued_;
  mutable Mutex mutex_;
  CondVar done_;
  // The front stays until its callback has run. A deque: pushing leaves the front where it is.
  std::deque<OutgoingMessage> queue_ ABSL_GUARDED_BY(mutex_);
  std::jthread thread_;  // Last: stops before anything it uses is destroyed.
};

}  // namespace ev

#endif  // EV_EVENTS_INMEMORY_INMEMORY_PUBLISHER_H_
