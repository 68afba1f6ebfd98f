#ifndef EV_SERVICES_CENTRAL_ADAPTERS_BACKUP_SENDER_H_
#define EV_SERVICES_CENTRAL_ADAPTERS_BACKUP_SENDER_H_

#include <functional>
#include <memory>
#include <thread>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "evcharging/central/v1/server_service.pb.h"
#include "rpc/server_streams.h"
#include "store/store_copy.h"

namespace ev::central {

// Makes a copy of the store; takes as long as that takes.
using CopyStore = std::function<absl::StatusOr<std::unique_ptr<store::StoreCopy>>(const store::MayGoOn&)>;

// How long a caller may keep a copy on Central's disk.
struct BackupLimits {
  absl::Duration part = absl::Seconds(60);  // Until it has taken the next part.
  absl::Duration whole = absl::Hours(12);   // From the call to the last part, the copying too.
};

// Sends copies of the store to callers of BackupStore, one at a time, by a thread that lives as long as that takes. A
// caller that leaves, or takes longer than `limits`, ends it, and so does the end of the server's streams.
//
// Thread-safe. The destructor waits: close the streams first.
class BackupSender {
 public:
  using Writer = rpc::BoundedWriter<evcharging::central::v1::BackupPart>;

  BackupSender(CopyStore copy, const BackupLimits& limits) : copy_(std::move(copy)), limits_(limits) {}

  // Closes `writer` when all is sent, or with what went wrong.
  void Send(const std::shared_ptr<Writer>& writer);

 private:
  absl::Status CopyAndSend(Writer& writer);

  const CopyStore copy_;
  const BackupLimits limits_;
  Mutex mutex_;
  bool is_running_ ABSL_GUARDED_BY(mutex_) = false;
  std::jthread thread_ ABSL_GUARDED_BY(mutex_);  // Last: stops before anything it uses is destroyed.
};

}  // namespace ev::central

#endif  // EV_SERVICES_CENTRAL_ADAPTERS_BACKUP_SENDER_H_
