#include "store/sqlite/medium.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace ev::store::sqlite {

absl::Status DamagedFile(absl::string_view path, absl::string_view how) {
  return absl::DataLossError(absl::StrCat(path, " is damaged (", how, "): restore it from a backup"));
}

Medium::Medium(const std::string& path)
    : files_{File{.path = path, .device = 0, .inode = 0, .size = 0},
             File{.path = path + "-wal", .device = 0, .inode = 0, .size = 0}} {}

absl::Status Medium::Watch() {
  {
    MutexLock lock(mutex_);
    for (File& file : files_) {
      struct stat now {};
      if (::stat(file.path.c_str(), &now) != 0) {
        return absl::DataLossError(absl::StrCat(file.path, " was removed: ", std::strerror(errno)));
      }
      file.device = now.st_dev;
      file.inode = now.st_ino;
    }
    is_watched_ = true;
  }
  return Look();
}

absl::Status Medium::Look() {
  MutexLock lock(mutex_);
  if (!failure_.ok() || !is_watched_) return failure_;
  const File& database = files_[0];
  for (File& file : files_) {
    struct stat now {};
    const bool is_there = ::stat(file.path.c_str(), &now) == 0;
    const std::string how = is_there ? "replaced" : absl::StrCat("removed (", std::strerror(errno), ")");
    if (!is_there || now.st_dev != file.device || now.st_ino != file.inode) {
      const bool is_log = &file != &database;
      // SQLite holds a log that has lost its name, and copies it into the database when it closes that.
      is_log_whole_ = is_log;
      return failure_ = absl::DataLossError(absl::StrCat(
                 file.path, " was ", how, " while it was in use: ",
                 is_log ? "nothing is written any more, and what it held is copied into the database at the end"
                        : "put it back, with its -wal file, before the next start, which takes what it finds there, "
                          "and makes a new, empty store where there is nothing"));
    }
    if (now.st_size < file.size) {
      is_log_whole_ = false;
      return failure_ =
                 absl::DataLossError(absl::StrCat(file.path, " was cut short while it was in use (", now.st_size,
                                                  " bytes of ", file.size, "): restore the store from a backup"));
    }
    file.size = now.st_size;
  }
  return failure_;
}

void Medium::Fail(const absl::Status& status) {
  MutexLock lock(mutex_);
  if (!failure_.ok()) return;
  failure_ = status;
  if (!absl::IsDataLoss(status)) return;
  failure_ = DamagedFile(files_[0].path, status.message());
  is_log_whole_ = false;
}

bool Medium::is_log_whole() const {
  MutexLock lock(mutex_);
  return is_log_whole_;
}

}  // namespace ev::store::sqlite
