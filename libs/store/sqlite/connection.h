#ifndef EV_STORE_SQLITE_CONNECTION_H_
#define EV_STORE_SQLITE_CONNECTION_H_

#include <sqlite3.h>

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/id_source.h"
#include "base/trace.h"
#include "domain/session.h"
#include "store/sqlite/medium.h"
#include "store/stored_time.h"

namespace ev::store::sqlite {

// The one place where SQLite's result codes become ours: DataLoss for a damaged file, Internal for everything else that
// can happen to a database that is open. The message is SQLite's.
absl::Status TranslateError(sqlite3* db, int code);

// Bytes, where std::string is text.
struct Blob {
  absl::string_view bytes;
};
// Values whose number is known only at run time.
using Values = std::vector<std::variant<std::int64_t, std::string>>;

// How a Target is kept: a kind and one number.
enum class TargetKind { kNone = 0, kEnergyMwh = 1, kAmountMicros = 2, kDurationNanos = 3 };

// Gives the values of ?1, ?2 ... in order. Text is not copied: it must live until the statement has run.
class Binder {
 public:
  explicit Binder(sqlite3_stmt* statement) : statement_(statement) {}

  template <typename T>
  void Add(const T& value) {
    if constexpr (std::is_integral_v<T> || std::is_enum_v<T>) {
      AddNumber(static_cast<std::int64_t>(value));
    } else if constexpr (std::is_same_v<T, absl::Time>) {
      AddNumber(ToStoredNanos(value));
    } else if constexpr (std::is_same_v<T, Target>) {
      AddTarget(value);
    } else if constexpr (std::is_same_v<T, Trace>) {
      AddBytes({reinterpret_cast<const char*>(value.id.data()), value.id.size()}, /*text=*/false);
      AddNumber(value.sampled ? 1 : 0);
    } else if constexpr (std::is_same_v<T, Blob>) {
      AddBytes(value.bytes, /*text=*/false);
    } else if constexpr (std::is_same_v<T, MessageId>) {
      AddBytes({reinterpret_cast<const char*>(value.bytes.data()), value.bytes.size()}, /*text=*/false);
    } else if constexpr (std::is_same_v<T, Values>) {
      for (const auto& one : value) std::visit([this](const auto& v) { this->Add(v); }, one);
    } else if constexpr (std::is_convertible_v<T, absl::string_view>) {
      AddBytes(value, /*text=*/true);
    } else {
      Add(value.value());  // StrongId, StrongNumber.
    }
  }
  // Column visitors (rows.h) name what they pass.
  template <typename T>
  void operator()(absl::string_view /*column*/, const T& value) {
    Add(value);
  }

  int code() const { return code_; }  // Of the first failure.
  int count() const { return next_ - 1; }

 private:
  void AddNumber(std::int64_t value);
  void AddBytes(absl::string_view bytes, bool text);
  void AddTarget(const Target& target);

  sqlite3_stmt* statement_;
  int next_ = 1;
  int code_ = SQLITE_OK;
};

// Reads the columns of the current row from the left to the right.
class Row {
 public:
  explicit Row(sqlite3_stmt* statement) : statement_(statement) {}

  std::int64_t Number();
  std::string Text();  // Of text and blobs alike.

  template <typename T>
  void Read(T& value) {
    if constexpr (std::is_integral_v<T> || std::is_enum_v<T>) {
      value = static_cast<T>(Number());
    } else if constexpr (std::is_same_v<T, absl::Time>) {
      value = FromStoredNanos(Number());
    } else if constexpr (std::is_same_v<T, Target>) {
      value = ReadTarget();
    } else if constexpr (std::is_same_v<T, Trace>) {
      const std::string id = Text();
      std::copy_n(id.begin(), std::min(id.size(), value.id.size()), value.id.begin());
      value.sampled = Number() != 0;
    } else if constexpr (std::is_same_v<T, std::string>) {
      value = Text();
    } else if constexpr (std::is_same_v<T, MessageId>) {
      const std::string bytes = Text();
      std::copy_n(bytes.begin(), std::min(bytes.size(), value.bytes.size()), value.bytes.begin());
    } else {
      std::decay_t<decltype(value.value())> inner{};
      Read(inner);
      value = T(std::move(inner));
    }
  }
  template <typename T>
  void operator()(absl::string_view /*column*/, T& value) {
    Read(value);
  }

 private:
  Target ReadTarget();

  sqlite3_stmt* statement_;
  int next_ = 0;
};

// One connection with its prepared statements, which are kept for its life: their number is bounded by the SQL texts in
// this folder. Not thread-safe.
class Connection {
 public:
  enum class Mode { kReadWrite, kCreate, kReadOnly };
  // Does not look into the file yet: a foreign one shows at the first statement.
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const std::string& path, Mode mode);

  // Damage that a statement finds, and a disk that cannot be read or written, fail `medium` too from now on. It must
  // outlive the connection.
  void ReportTo(Medium& medium) { medium_ = &medium; }

  // Statements without values, several separated by semicolons.
  absl::Status Exec(const char* sql);

  // Runs a statement that returns no rows.
  template <typename... Args>
  absl::Status Run(absl::string_view sql, const Args&... args) {
    return ForEach(
        sql, [](Row&) {}, args...);
  }
  // Calls `on_row(Row&)` for each row.
  template <typename OnRow, typename... Args>
  absl::Status ForEach(absl::string_view sql, OnRow&& on_row, const Args&... args) {
    return ForEachBound(
        sql, [&](Binder& binder) { (binder.Add(args), ...); }, std::forward<OnRow>(on_row));
  }
  // The same, with values given by `bind(Binder&)`.
  template <typename Bind, typename OnRow>
  absl::Status ForEachBound(absl::string_view sql, Bind&& bind, OnRow&& on_row) {
    absl::StatusOr<sqlite3_stmt*> statement = Prepared(sql);
    if (!statement.ok()) return statement.status();
    Binder binder(*statement);
    bind(binder);
    assert(binder.count() == sqlite3_bind_parameter_count(*statement));
    int code = binder.code();
    if (code == SQLITE_OK) {
      while ((code = sqlite3_step(*statement)) == SQLITE_ROW) {
        Row row(*statement);
        on_row(row);
      }
    }
    absl::Status status = code == SQLITE_DONE ? absl::OkStatus() : Failed(code);
    sqlite3_reset(*statement);  // An open cursor would hold its snapshot.
    return status;
  }

  // One number: a PRAGMA, a count. Internal when there is no row.
  absl::StatusOr<std::int64_t> Number(absl::string_view sql);

  // DataLoss when the file itself no longer begins as a database. No statement says so as long as its pages come from a
  // cache or from the log. Through SQLite's own descriptor: closing another one would drop its locks.
  absl::Status CheckStart();

  int changes() const { return sqlite3_changes(db_.get()); }  // Rows changed by the last INSERT, UPDATE or DELETE.
  bool in_transaction() const { return sqlite3_get_autocommit(db_.get()) == 0; }
  bool writable() const { return sqlite3_db_readonly(db_.get(), "main") == 0; }
  // Closing the last connection normally copies the write-ahead log into the file; off: it changes nothing.
  void set_checkpoint_on_close(bool on);

 private:
  struct Closer {
    void operator()(sqlite3* db) const { sqlite3_close(db); }
  };
  struct Finalizer {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };

  explicit Connection(sqlite3* db) : db_(db) {}
  absl::StatusOr<sqlite3_stmt*> Prepared(absl::string_view sql);
  absl::Status Failed(int code);

  Medium* medium_ = nullptr;
  std::unique_ptr<sqlite3, Closer> db_;
  absl::flat_hash_map<std::string, std::unique_ptr<sqlite3_stmt, Finalizer>> statements_;  // After db_: goes first.
};

// Runs statements up to the first failure, and skips the others: one check at the end instead of one a line.
class Steps {
 public:
  explicit Steps(Connection& db) : db_(db) {}

  // Returns the number of changed rows; 0 when it failed or was skipped.
  template <typename... Args>
  int Run(absl::string_view sql, const Args&... args) {
    return Bound(sql, [&](Binder& binder) { (binder.Add(args), ...); });
  }
  template <typename Bind>
  int Bound(absl::string_view sql, Bind&& bind) {
    if (!status_.ok()) return 0;
    status_ = db_.ForEachBound(sql, std::forward<Bind>(bind), [](Row&) {});
    return status_.ok() ? db_.changes() : 0;
  }
  template <typename OnRow, typename... Args>
  void ForEach(absl::string_view sql, OnRow&& on_row, const Args&... args) {
    if (status_.ok()) status_ = db_.ForEach(sql, std::forward<OnRow>(on_row), args...);
  }
  // Ends the sequence for a reason of ours.
  void Fail(absl::Status status) {
    if (status_.ok()) status_ = std::move(status);
  }
  const absl::Status& status() const { return status_; }
  bool ok() const { return status_.ok(); }

 private:
  Connection& db_;
  absl::Status status_;
};

}  // namespace ev::store::sqlite

#endif  // EV_STORE_SQLITE_CONNECTION_H_
