#include "tests/unit/store/faulty_vfs.h"

#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <filesystem>
#include <fstream>

namespace ev::store {

// What SQLite gets for a file: ours first, the real one in the bytes behind it.
struct FaultyVfs::File {
  sqlite3_file base;
  FaultyVfs* disk;
  const char* name;  // SQLite keeps it as long as the file is open.

  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
  static File* Of(sqlite3_file* file) { return reinterpret_cast<File*>(file); }
};

FaultyVfs::FaultyVfs() : real_(sqlite3_vfs_find(nullptr)), vfs_(*real_) {
  vfs_.zName = "faulty";
  vfs_.pNext = nullptr;
  vfs_.pAppData = this;
  vfs_.szOsFile = static_cast<int>(sizeof(File)) + real_->szOsFile;
  vfs_.xOpen = &FaultyVfs::Open;
  vfs_.xDelete = &FaultyVfs::Delete;
  sqlite3_vfs_register(&vfs_, /*makeDflt=*/1);
}

FaultyVfs::~FaultyVfs() {
  sqlite3_vfs_unregister(&vfs_);
  sqlite3_vfs_register(real_, /*makeDflt=*/1);
}

int FaultyVfs::Open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  auto* disk = static_cast<FaultyVfs*>(vfs->pAppData);
  File* ours = File::Of(file);
  ours->base.pMethods = nullptr;
  ours->disk = disk;
  ours->name = name;
  const int code = disk->real_->xOpen(disk->real_, name, ours->real(), flags, out_flags);
  if (code == SQLITE_OK) ours->base.pMethods = Methods();
  return code;
}

void FaultyVfs::BeforeChange() {
  if (kill_at_ > 0 && --kill_at_ == 0) ::kill(::getpid(), SIGKILL);
}

int FaultyVfs::Delete(sqlite3_vfs* vfs, const char* name, int sync_folder) {
  auto* disk = static_cast<FaultyVfs*>(vfs->pAppData);
  disk->BeforeChange();
  return disk->real_->xDelete(disk->real_, name, sync_folder);
}

int FaultyVfs::Truncate(sqlite3_file* file, sqlite3_int64 size) {
  File* ours = File::Of(file);
  ours->disk->BeforeChange();
  return ours->real()->pMethods->xTruncate(ours->real(), size);
}

int FaultyVfs::Write(sqlite3_file* file, const void* data, int size, sqlite3_int64 at) {
  File* ours = File::Of(file);
  ours->disk->BeforeChange();
  if (ours->disk->write_code_ != SQLITE_OK) return ours->disk->write_code_;
  return ours->real()->pMethods->xWrite(ours->real(), data, size, at);
}

int FaultyVfs::Read(sqlite3_file* file, void* data, int size, sqlite3_int64 at) {
  File* ours = File::Of(file);
  if (ours->disk->read_code_ != SQLITE_OK) return ours->disk->read_code_;
  return ours->real()->pMethods->xRead(ours->real(), data, size, at);
}

int FaultyVfs::Sync(sqlite3_file* file, int flags) {
  File* ours = File::Of(file);
  FaultyVfs& disk = *ours->disk;
  disk.BeforeChange();
  if (disk.sync_code_ != SQLITE_OK) return disk.sync_code_;
  sqlite3_file* real = ours->real();
  const int code = real->pMethods->xSync(real, flags);
  if (code != SQLITE_OK || disk.durable_folder_.empty() || ours->name == nullptr) return code;
  // Read through SQLite's own descriptor: closing another one would drop its locks.
  sqlite3_int64 size = 0;
  real->pMethods->xFileSize(real, &size);
  std::string bytes(static_cast<std::size_t>(size), '\0');
  if (size > 0) real->pMethods->xRead(real, bytes.data(), static_cast<int>(size), 0);
  const std::filesystem::path image =
      std::filesystem::path(disk.durable_folder_) / std::filesystem::path(ours->name).filename();
  std::ofstream(image, std::ios::binary | std::ios::trunc) << bytes;
  return code;
}

const sqlite3_io_methods* FaultyVfs::Methods() {
  static const sqlite3_io_methods methods = [] {
    sqlite3_io_methods m{};
    m.iVersion = 2;
    m.xClose = [](sqlite3_file* f) { return File::Of(f)->real()->pMethods->xClose(File::Of(f)->real()); };
    m.xRead = &FaultyVfs::Read;
    m.xWrite = &FaultyVfs::Write;
    m.xTruncate = &FaultyVfs::Truncate;
    m.xSync = &FaultyVfs::Sync;
    m.xFileSize = [](sqlite3_file* f, sqlite3_int64* size) {
      return File::Of(f)->real()->pMethods->xFileSize(File::Of(f)->real(), size);
    };
    m.xLock = [](sqlite3_file* f, int level) {
      return File::Of(f)->real()->pMethods->xLock(File::Of(f)->real(), level);
    };
    m.xUnlock = [](sqlite3_file* f, int level) {
      return File::Of(f)->real()->pMethods->xUnlock(File::Of(f)->real(), level);
    };
    m.xCheckReservedLock = [](sqlite3_file* f, int* out) {
      return File::Of(f)->real()->pMethods->xCheckReservedLock(File::Of(f)->real(), out);
    };
    m.xFileControl = [](sqlite3_file* f, int op, void* arg) {
      return File::Of(f)->real()->pMethods->xFileControl(File::Of(f)->real(), op, arg);
    };
    m.xSectorSize = [](sqlite3_file* f) { return File::Of(f)->real()->pMethods->xSectorSize(File::Of(f)->real()); };
    m.xDeviceCharacteristics = [](sqlite3_file* f) {
      return File::Of(f)->real()->pMethods->xDeviceCharacteristics(File::Of(f)->real());
    };
    m.xShmMap = [](sqlite3_file* f, int page, int size, int extend, void volatile** out) {
      return File::Of(f)->real()->pMethods->xShmMap(File::Of(f)->real(), page, size, extend, out);
    };
    m.xShmLock = [](sqlite3_file* f, int offset, int n, int flags) {
      return File::Of(f)->real()->pMethods->xShmLock(File::Of(f)->real(), offset, n, flags);
    };
    m.xShmBarrier = [](sqlite3_file* f) { File::Of(f)->real()->pMethods->xShmBarrier(File::Of(f)->real()); };
    m.xShmUnmap = [](sqlite3_file* f, int remove) {
      return File::Of(f)->real()->pMethods->xShmUnmap(File::Of(f)->real(), remove);
    };
    return m;
  }();
  return &methods;
}

}  // namespace ev::store
