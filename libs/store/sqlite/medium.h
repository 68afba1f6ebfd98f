#ifndef EV_STORE_SQLITE_MEDIUM_H_
#define EV_STORE_SQLITE_MEDIUM_H_

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/mutex.h"

namespace ev::store::sqlite {

absl::Status DamagedFile(absl::string_view path, absl::string_view how);

// What an open store is written to, the database and its write-ahead log: whether the next start will find there what
// this one commits. SQLite writes on into a file that has lost its name, and over a hole. The first failure is kept.
//
// Only asks for names and sizes: whoever opens and closes such a file in this process drops SQLite's locks on it.
//
// Thread-safe.
class Medium {
 public:
  explicit Medium(const std::string& path);

  // Both files are there, and from now on these are the ones.
  absl::Status Watch();
  // The first failure. DataLoss when a file was removed, replaced or cut short since Watch(): the message names it and
  // says what to do.
  absl::Status Look();
  // Nothing is to be written any more: damage was read (DataLoss), or a commit has failed.
  void Fail(const absl::Status& status);
  // False: the log may be copied into the database no more, which would spread the damage.
  bool is_log_whole() const;

 private:
  struct File {
    std::string path;
    dev_t device = 0;
    ino_t inode = 0;
    std::int64_t size =
        0;  // Neither file ever shrinks: the log is reused from its start, the database keeps free pages.
  };

  mutable Mutex mutex_;
  std::array<File, 2> files_ ABSL_GUARDED_BY(mutex_);  // The database, its log.
  bool is_watched_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_log_whole_ ABSL_GUARDED_BY(mutex_) = true;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ev::store::sqlite

#endif  // EV_STORE_SQLITE_MEDIUM_H_
