#include "store/sqlite/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/schema.h"

namespace ev::store::sqlite {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return number_; }
  int Release() { return std::exchange(number_, -1); }

 private:
  int number_;
};

absl::Status SystemError(absl::string_view doing, absl::string_view path) {
  return absl::FailedPreconditionError(absl::StrCat("cannot ", doing, " ", path, ": ", std::strerror(errno)));
}

std::int64_t SizeOf(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 ? static_cast<std::int64_t>(info.st_size) : -1;
}

// SQLite's file header, from the documentation of its file format: big-endian fields in the first 100 bytes.
constexpr std::size_t kHeaderSize = 100;
constexpr absl::string_view kMagic("SQLite format 3\0", 16);
using Header = std::array<unsigned char, kHeaderSize>;

std::uint32_t Field(const Header& header, std::size_t at, std::size_t bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < bytes; ++i) value = value << 8 | header[at + i];
  return value;
}

std::int64_t PageSize(const Header& header) {
  const std::uint32_t stored = Field(header, 16, 2);
  return stored == 1 ? 65536 : stored;
}

absl::Status Sync(const std::string& path, int flags) {
  const Descriptor descriptor(::open(path.c_str(), flags | O_CLOEXEC));
  if (descriptor.get() < 0 || ::fsync(descriptor.get()) != 0) return SystemError("sync", path);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<FileLock> FileLock::Acquire(const std::string& path) {
  const std::string lock_path = absl::StrCat(path, ".lock");
  Descriptor descriptor(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (descriptor.get() < 0) return SystemError("open", lock_path);
  if (::flock(descriptor.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return SystemError("lock", lock_path);
    std::array<char, 32> text{};
    const ssize_t length = ::pread(descriptor.get(), text.data(), text.size(), 0);
    const absl::string_view pid =
        absl::StripAsciiWhitespace(absl::string_view(text.data(), length > 0 ? static_cast<std::size_t>(length) : 0));
    return absl::FailedPreconditionError(absl::StrCat(path, " is in use by process ", pid.empty() ? "?" : pid,
                                                      ": stop that one first, or choose another data folder"));
  }
  const std::string pid = absl::StrCat(::getpid(), "\n");
  if (::ftruncate(descriptor.get(), 0) != 0 ||
      ::pwrite(descriptor.get(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    return SystemError("write", lock_path);
  }
  return FileLock(descriptor.Release());
}

FileLock::FileLock(FileLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

FileLock& FileLock::operator=(FileLock&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

FileLock::~FileLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

absl::StatusOr<bool> InspectFile(const std::string& path) {
  const std::int64_t wal_size = SizeOf(absl::StrCat(path, "-wal"));
  const Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (descriptor.get() < 0) {
    if (errno != ENOENT) return SystemError("open", path);
    if (wal_size <= 0) return false;
    return absl::DataLossError(absl::StrCat(path, " is missing, but its ", path,
                                            "-wal is there: restore both from a backup, or move the -wal file away to "
                                            "start with an empty store"));
  }
  Header header{};
  const ssize_t got = ::pread(descriptor.get(), header.data(), header.size(), 0);
  if (got < 0) return SystemError("read", path);
  const auto length = static_cast<std::size_t>(got);
  const bool ours_or_sqlite =
      std::memcmp(header.data(), kMagic.data(), std::min(length, kMagic.size())) == 0;  // True for an empty file.
  if (!ours_or_sqlite || (length == kHeaderSize && Field(header, 68, 4) != kApplicationId)) {
    return absl::FailedPreconditionError(absl::StrCat(
        path, " is not a store of EVCharge (", ours_or_sqlite ? "another program's database" : "no database",
        "); it was left as it is: move it away, or choose another data folder"));
  }
  // With a write-ahead log the end of the file may still be in there; SQLite puts them together.
  const std::int64_t expected = PageSize(header) * Field(header, 28, 4);
  const std::int64_t size = SizeOf(path);
  if (length < kHeaderSize || (wal_size <= 0 && size < expected)) {
    return absl::DataLossError(absl::StrCat(
        path, " is truncated (", size, " bytes of ", expected == 0 ? std::string("?") : absl::StrCat(expected),
        "); it was left as it is: restore it from a backup, or move it away to start with an empty store"));
  }
  return true;
}

absl::Status CreateFile(const std::string& path, int shards, const std::string& id) {
  const std::string draft = absl::StrCat(path, ".new");
  std::remove(draft.c_str());  // Of a start that crashed.
  {
    absl::StatusOr<std::unique_ptr<Connection>> db = Connection::Open(draft, Connection::Mode::kCreate);
    if (!db.ok()) return SystemError("create", draft);
    // A draft is complete or thrown away: it needs no journal, and one sync at the end.
    Steps steps(**db);
    steps.Fail((*db)->Exec(
        absl::StrCat("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA application_id = ", kApplicationId)
            .c_str()));
    if (steps.ok()) steps.Fail(Migrate(**db, 0));
    steps.Run("BEGIN IMMEDIATE");
    steps.Run("INSERT INTO store VALUES (1, ?, ?, 0, '')", id, shards);
    for (int shard = 0; shard < shards; ++shard) steps.Run("INSERT INTO shard VALUES (?, 0, '', '')", shard);
    steps.Run("COMMIT");
    if (!steps.ok()) return steps.status();
  }
  const absl::Status synced = Sync(draft, O_RDONLY);
  if (!synced.ok()) return synced;
  if (std::rename(draft.c_str(), path.c_str()) != 0) return SystemError("rename to", path);
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return Sync(folder.empty() ? "." : folder, O_RDONLY | O_DIRECTORY);
}

}  // namespace ev::store::sqlite
