#ifndef EV_PROCESS_DATA_DIR_H_
#define EV_PROCESS_DATA_DIR_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ev::process {

// ${XDG_STATE_HOME:-~/.local/state}/evcharge; FailedPrecondition when neither XDG_STATE_HOME nor HOME is set.
absl::StatusOr<std::string> DefaultDataRoot();

// ${XDG_CONFIG_HOME:-~/.config}/evcharge, in the same way.
absl::StatusOr<std::string> DefaultConfigRoot();

// Makes a directory, with its parents, for this user only: what lies below holds identities, credentials and bills.
// FailedPrecondition when that cannot be done.
absl::Status MakeDirectories(const std::string& path);

// A directory that belongs to one process at a time, by a lock on the file `lock` in it that ends with the process,
// however it ends.
class DataDir {
 public:
  // Makes the directory, with its parents, for this user only. FailedPrecondition when another holds it (names the
  // process), or when it cannot be made or written.
  static absl::StatusOr<std::unique_ptr<DataDir>> Open(const std::string& path);
  ~DataDir();
  DataDir(const DataDir&) = delete;
  DataDir& operator=(const DataDir&) = delete;

  const std::string& path() const { return path_; }
  std::string File(absl::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  DataDir(std::string path, int lock_fd) : path_(std::move(path)), lock_fd_(lock_fd) {}

  std::string path_;
  int lock_fd_;
};

}  // namespace ev::process

#endif  // EV_PROCESS_DATA_DIR_H_
