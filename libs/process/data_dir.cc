#include "process/data_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace ev::process {
namespace {

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

absl::Status Failed(absl::string_view what, const std::string& path, int error) {
  return absl::FailedPreconditionError(absl::StrCat(what, " ", path, ": ", std::strerror(error)));
}

absl::StatusOr<std::string> Root(const char* variable, absl::string_view below_home, absl::string_view what) {
  // The XDG specification: a relative path in the variable counts as unset.
  if (const std::string root = Environment(variable); !root.empty() && root.front() == '/') {
    return absl::StrCat(root, "/evcharge");
  }
  const std::string home = Environment("HOME");
  if (!home.empty()) return absl::StrCat(home, "/", below_home, "/evcharge");
  return absl::FailedPreconditionError(absl::StrCat("neither ", variable, " nor HOME is set: name a ", what));
}

absl::Status MakeAll(const std::filesystem::path& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return absl::OkStatus();
  if (path.has_parent_path() && path.parent_path() != path) {
    if (auto status = MakeAll(path.parent_path()); !status.ok()) return status;
  }
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return Failed("cannot make directory", path, errno);
  if (!std::filesystem::is_directory(path, ignored)) return Failed("cannot use as directory", path, ENOTDIR);
  return absl::OkStatus();
}

std::string ReadHolder(int fd) {
  char text[32] = {};
  const auto size = ::pread(fd, text, sizeof(text) - 1, 0);
  return size > 0 ? std::string(absl::StripAsciiWhitespace(absl::string_view(text, static_cast<std::size_t>(size))))
                  : "";
}

}  // namespace

absl::StatusOr<std::string> DefaultDataRoot() {
  return Root("XDG_STATE_HOME", ".local/state", "data directory");
}

absl::StatusOr<std::string> DefaultConfigRoot() {
  return Root("XDG_CONFIG_HOME", ".config", "configuration file");
}

absl::Status MakeDirectories(const std::string& path) {
  return MakeAll(path);
}

absl::StatusOr<std::unique_ptr<DataDir>> DataDir::Open(const std::string& path) {
  std::string directory = std::filesystem::absolute(path).lexically_normal();
  if (directory.size() > 1 && directory.back() == '/') directory.pop_back();
  if (auto status = MakeDirectories(directory); !status.ok()) return status;
  const std::string file = directory + "/lock";
  const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return Failed("cannot open", file, errno);
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    const std::string holder = ReadHolder(fd);
    ::close(fd);
    if (error != EWOULDBLOCK) return Failed("cannot lock", file, error);
    return absl::FailedPreconditionError(absl::StrCat("data directory ", directory, " is in use by process ",
                                                      holder.empty() ? "(unknown)" : holder,
                                                      ": stop it or name another directory"));
  }
  const std::string pid = absl::StrCat(::getpid(), "\n");
  if (::ftruncate(fd, 0) != 0 || ::pwrite(fd, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    const int error = errno;
    ::close(fd);
    return Failed("cannot write", file, error);
  }
  return std::unique_ptr<DataDir>(new DataDir(directory, fd));
}

// The file stays: removing it would let two processes lock two different files of that name.
DataDir::~DataDir() {
  ::close(lock_fd_);
}

}  // namespace ev::process
