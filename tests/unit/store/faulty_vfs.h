#ifndef EV_TESTS_UNIT_STORE_FAULTY_VFS_H_
#define EV_TESTS_UNIT_STORE_FAULTY_VFS_H_

#include <sqlite3.h>

#include <string>

namespace ev::store {

// A disk that fails on request, and that tells what would be left after a power cut: while it lives it stands between
// SQLite and the files. One at a time.
class FaultyVfs {
 public:
  FaultyVfs();
  ~FaultyVfs();
  FaultyVfs(const FaultyVfs&) = delete;
  FaultyVfs& operator=(const FaultyVfs&) = delete;

  // From now on every sync of a file copies what it has made durable to the file of the same name in `folder`.
  void KeepDurableImages(const std::string& folder) { durable_folder_ = folder; }
  // SQLite's code for every write, sync or read from now on; SQLITE_OK ends it.
  void FailWrites(int code) { write_code_ = code; }
  void FailSyncs(int code) { sync_code_ = code; }
  void FailReads(int code) { read_code_ = code; }
  // Kills the process (SIGKILL) instead of the n-th change of a file from now on, n = 1, 2 ...
  void KillAt(int n) { kill_at_ = n; }

 private:
  struct File;

  static int Open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out_flags);
  static const sqlite3_io_methods* Methods();
  static int Write(sqlite3_file* file, const void* data, int size, sqlite3_int64 at);
  static int Read(sqlite3_file* file, void* data, int size, sqlite3_int64 at);
  static int Truncate(sqlite3_file* file, sqlite3_int64 size);
  static int Sync(sqlite3_file* file, int flags);
  static int Delete(sqlite3_vfs* vfs, const char* name, int sync_folder);
  void BeforeChange();

  sqlite3_vfs* const real_;
  sqlite3_vfs vfs_;
  std::string durable_folder_;
  int write_code_ = SQLITE_OK;
  int sync_code_ = SQLITE_OK;
  int read_code_ = SQLITE_OK;
  int kill_at_ = 0;
};

}  // namespace ev::store

#endif  // EV_TESTS_UNIT_STORE_FAULTY_VFS_H_
