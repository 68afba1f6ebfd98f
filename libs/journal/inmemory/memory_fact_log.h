#ifndef EV_JOURNAL_INMEMORY_MEMORY_FACT_LOG_H_
#define EV_JOURNAL_INMEMORY_MEMORY_FACT_LOG_H_

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "journal/fact_log.h"

namespace ev::journal {

// Keeps facts in memory, bounded: they end with the process. The twin of the durable log in tests, where the object
// plays the disk and outlives the Engine's core.
class MemoryFactLog final : public FactLog {
 public:
  // `capacity` of at least 3: a start, a final and one sample.
  MemoryFactLog(std::string id, std::int64_t capacity);

  absl::StatusOr<LogContents> Load() override;
  absl::Status Write(const LogWrite& write) override;
  std::vector<StoredFact> Read(std::int64_t after, int limit) override;
  std::vector<StoredFact> ReadUnsettled() override;
  void Acknowledge(std::int64_t position) override;
  LogStats Stats() const override;

 private:
  bool MakeRoom(std::int64_t wanted) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Keep(const Fact& fact) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Settle(const Settlement& settled) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string id_;
  const std::int64_t capacity_;

  mutable Mutex mutex_;
  CpId cp_ ABSL_GUARDED_BY(mutex_);
  GrantNumber mark_ ABSL_GUARDED_BY(mutex_);
  std::int64_t next_position_ ABSL_GUARDED_BY(mutex_) = 1;
  std::map<std::int64_t, Fact> facts_ ABSL_GUARDED_BY(mutex_);  // By position.
  std::int64_t samples_ ABSL_GUARDED_BY(mutex_) = 0;
  std::int64_t thinned_ ABSL_GUARDED_BY(mutex_) = 0;
  std::optional<OpenSession> open_ ABSL_GUARDED_BY(mutex_);
  std::deque<Fact> quarantine_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ev::journal

#endif  // EV_JOURNAL_INMEMORY_MEMORY_FACT_LOG_H_
