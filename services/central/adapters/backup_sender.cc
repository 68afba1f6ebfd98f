#include "services/central/adapters/backup_sender.h"

#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/error_detail.h"
#include "digest/sha256.h"
#include "log/log.h"

namespace ev::central {
namespace {

namespace pb = evcharging::central::v1;

constexpr std::size_t kPartBytes = 256 << 10;

absl::Status Explain(const absl::Status& status) {
  return absl::IsResourceExhausted(status) ? WithReason(status, "NO_SPACE") : status;
}

}  // namespace

void BackupSender::Send(const std::shared_ptr<Writer>& writer) {
  if (!copy_) {
    return writer->Close(WithReason(absl::FailedPreconditionError("this kind of store cannot be copied"), "NO_COPY"));
  }
  MutexLock lock(mutex_);
  if (is_running_) {
    return writer->Close(WithReason(absl::AbortedError("another backup is running: one at a time"), "BACKUP_RUNNING"));
  }
  is_running_ = true;
  // The thread before has nothing left to do.
  thread_ = std::jthread([this, writer] {
    const absl::Time start = absl::Now();
    const absl::Status sent = CopyAndSend(*writer);
    if (sent.ok()) {
      log::Info("backup sent", {{"took", absl::Now() - start}});
    } else {
      log::Warn("backup not sent", {{"reason", sent}});
    }
    {
      MutexLock done(mutex_);
      is_running_ = false;
    }
    // Only now: whoever has seen its end may ask for the next.
    writer->Close(sent);
  });
}

absl::Status BackupSender::CopyAndSend(Writer& writer) {
  const absl::Time end = absl::Now() + limits_.whole;
  const auto check = [&]() -> absl::Status {
    if (writer.closed()) return absl::CancelledError("the caller has gone");
    if (absl::Now() < end) return absl::OkStatus();
    return WithReason(
        absl::DeadlineExceededError(absl::StrCat("it has taken longer than ", absl::FormatDuration(limits_.whole))),
        "BACKUP_TOO_LONG");
  };
  const auto copy = copy_(check);
  if (!copy.ok()) return Explain(copy.status());
  const std::int64_t total = (*copy)->size();
  Sha256 digest;
  const auto send = [&](pb::BackupPart part) -> absl::Status {
    part.set_total_bytes(total);
    if (writer.Write(std::move(part)) && writer.WaitUntilWritten(limits_.part)) return check();
    if (writer.closed()) return absl::CancelledError("the caller has gone");
    return WithReason(
        absl::DeadlineExceededError(absl::StrCat("a part was not taken within ", absl::FormatDuration(limits_.part))),
        "SLOW_CONSUMER");
  };
  for (std::int64_t sent = 0; sent < total;) {
    absl::StatusOr<std::string> bytes = (*copy)->Read(sent, kPartBytes);
    if (!bytes.ok()) return bytes.status();
    if (bytes->empty()) return absl::InternalError("the copy of the store ends before its end");
    digest.Add(*bytes);
    sent += static_cast<std::int64_t>(bytes->size());
    pb::BackupPart part;
    part.set_data(*std::move(bytes));
    if (auto status = send(std::move(part)); !status.ok()) return status;
  }
  pb::BackupPart last;
  last.set_sha256(digest.Finish());
  return send(std::move(last));
}

}  // namespace ev::central
