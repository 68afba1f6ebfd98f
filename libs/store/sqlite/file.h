#ifndef EV_STORE_SQLITE_FILE_H_
#define EV_STORE_SQLITE_FILE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace ev::store::sqlite {

// Keeps every other process (and every other store of this one) from the same file, by a lock on `<path>.lock`, which
// also holds the owner's process id. The lock ends with its owner, however that ends; the lock file stays.
class FileLock {
 public:
  // FailedPrecondition names the process that has it, or what the system refused.
  static absl::StatusOr<FileLock> Acquire(const std::string& path);

  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) noexcept;
  ~FileLock();

 private:
  explicit FileLock(int descriptor) : descriptor_(descriptor) {}

  int descriptor_;
};

// Looks at the file without SQLite, which might write to it. Returns whether there is one; FailedPrecondition when it
// is not a store of ours or a newer one, DataLoss when it is truncated. Call it under the lock.
absl::StatusOr<bool> InspectFile(const std::string& path);

// Makes a new store in a file beside it, which takes the name `path` only when it is complete and on disk. So a file
// called `path` is never half-made, and an empty one is damage.
absl::Status CreateFile(const std::string& path, int shards, const std::string& id);

}  // namespace ev::store::sqlite

#endif  // EV_STORE_SQLITE_FILE_H_
