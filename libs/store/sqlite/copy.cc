#include "store/sqlite/copy.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "store/sqlite/connection.h"

namespace ev::store::sqlite {
namespace {

// 1 MiB of the usual pages: what a commit may have to wait for on the disk.
constexpr int kPagesAtOnce = 256;
constexpr std::chrono::steady_clock::duration kMaxPause = std::chrono::seconds(1);

absl::Status SystemError(absl::string_view doing, absl::string_view path) {
  return absl::InternalError(absl::StrCat("cannot ", doing, " ", path, ": ", std::strerror(errno)));
}

class FileCopy final : public StoreCopy {
 public:
  explicit FileCopy(int descriptor) : descriptor_(descriptor) {}
  ~FileCopy() override { ::close(descriptor_); }
  FileCopy(const FileCopy&) = delete;
  FileCopy& operator=(const FileCopy&) = delete;

  int descriptor() const { return descriptor_; }
  // Once the copy is complete.
  absl::Status Measure() {
    struct stat info {};
    if (::fstat(descriptor_, &info) != 0) return SystemError("measure", "the copy of the store");
    size_ = info.st_size;
    return absl::OkStatus();
  }

  std::int64_t size() const override { return size_; }
  absl::StatusOr<std::string> Read(std::int64_t offset, std::size_t limit) override {
    std::string bytes(limit, '\0');
    std::size_t got = 0;
    while (got < limit) {
      const ssize_t now = ::pread(descriptor_, bytes.data() + got, limit - got, offset + static_cast<off_t>(got));
      if (now < 0 && errno == EINTR) continue;
      if (now < 0) return SystemError("read", "the copy of the store");
      if (now == 0) break;
      got += static_cast<std::size_t>(now);
    }
    bytes.resize(got);
    return bytes;
  }

 private:
  const int descriptor_;
  std::int64_t size_ = 0;
};

// Two open databases, one of which is copied into the other.
class Backup {
 public:
  absl::Status Open(const std::string& from, const std::string& to) {
    if (auto status = Open(from, SQLITE_OPEN_READONLY, from_); !status.ok()) return status;
    if (auto status = Open(to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, to_); !status.ok()) return status;
    // A copy is complete or thrown away. Without a journal SQLite does not mind that its file loses its name.
    if (auto status = Exec(to_.get(), "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF"); !status.ok()) {
      return status;
    }
    // One snapshot for all steps: else each commit meanwhile would make it begin again.
    return Exec(from_.get(), "BEGIN; SELECT count(*) FROM store");
  }

  // True when there is more to do.
  absl::StatusOr<bool> Step() {
    if (backup_ == nullptr) {
      backup_.reset(sqlite3_backup_init(to_.get(), "main", from_.get(), "main"));
      if (backup_ == nullptr) return TranslateError(to_.get(), sqlite3_errcode(to_.get()));
    }
    const int code = sqlite3_backup_step(backup_.get(), kPagesAtOnce);
    if (code == SQLITE_OK) return true;
    if (code == SQLITE_DONE) return false;
    if (code == SQLITE_FULL) return absl::ResourceExhaustedError("no space is left for a copy of the store");
    return TranslateError(nullptr, code);
  }

 private:
  struct Closer {
    void operator()(sqlite3* db) const { sqlite3_close(db); }
    void operator()(sqlite3_backup* backup) const { sqlite3_backup_finish(backup); }
  };
  using Database = std::unique_ptr<sqlite3, Closer>;

  static absl::Status Open(const std::string& path, int flags, Database& db) {
    sqlite3* opened = nullptr;
    const int code = sqlite3_open_v2(path.c_str(), &opened, flags | SQLITE_OPEN_NOMUTEX, nullptr);
    db.reset(opened);
    return code == SQLITE_OK ? absl::OkStatus() : TranslateError(opened, code);
  }
  static absl::Status Exec(sqlite3* db, const char* sql) {
    const int code = sqlite3_exec(db, sql, nullptr, nullptr, nullptr);
    return code == SQLITE_OK ? absl::OkStatus() : TranslateError(db, code);
  }

  Database from_;
  Database to_;
  std::unique_ptr<sqlite3_backup, Closer> backup_;  // Last: goes first.
};

// `more` bytes may be written and leave `reserve` free: a full disk would end the store.
absl::Status CheckRoom(const std::string& folder, std::int64_t more, std::int64_t reserve) {
  struct statvfs disk {};
  if (::statvfs(folder.c_str(), &disk) != 0) return SystemError("look at the file system of", folder);
  const auto free = static_cast<std::int64_t>(disk.f_bavail * disk.f_frsize);
  if (free >= more + reserve) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat("a copy of the store wants ", more, " bytes beside it and ", reserve,
                                                   " bytes left free, ", folder, " has ", free));
}

std::int64_t SizeOf(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 ? static_cast<std::int64_t>(info.st_size) : 0;
}

}  // namespace

absl::StatusOr<std::unique_ptr<StoreCopy>> CopyDatabase(const std::string& path, std::int64_t reserve,
                                                        const MayGoOn& may_go_on) {
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  const std::string folder = parent.empty() ? std::string(".") : parent.string();
  const std::int64_t expected = SizeOf(path) + SizeOf(absl::StrCat(path, "-wal"));
  if (auto status = CheckRoom(folder, expected, reserve); !status.ok()) return status;

  const std::string name = absl::StrCat(path, ".copy");
  std::remove(name.c_str());  // Of a process that died between the next lines.
  auto backup = std::make_unique<Backup>();
  absl::Status status = backup->Open(path, name);
  const int descriptor = status.ok() ? ::open(name.c_str(), O_RDONLY | O_CLOEXEC) : -1;
  if (status.ok() && descriptor < 0) status = SystemError("open", name);
  std::remove(name.c_str());
  if (!status.ok()) return status;
  auto copy = std::make_unique<FileCopy>(descriptor);

  for (;;) {
    const auto start = std::chrono::steady_clock::now();
    if (auto wanted = may_go_on(); !wanted.ok()) return wanted;
    if (auto room = CheckRoom(folder, 0, reserve); !room.ok()) return room;
    const absl::StatusOr<bool> has_more = backup->Step();
    if (!has_more.ok()) return has_more.status();
    if (!*has_more) break;
    // Written now, a little at a time: else the disk would write much at once, and a commit's sync would wait for it.
    if (::fdatasync(descriptor) != 0) return SystemError("write", "the copy of the store");
    // Half of the time is the commits'.
    std::this_thread::sleep_for(std::min(std::chrono::steady_clock::now() - start, kMaxPause));
  }
  backup.reset();
  if (auto measured = copy->Measure(); !measured.ok()) return measured;
  return copy;
}

}  // namespace ev::store::sqlite
