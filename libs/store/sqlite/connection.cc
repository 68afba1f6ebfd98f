#include "store/sqlite/connection.h"

#include <array>

#include "absl/strings/str_cat.h"

namespace ev::store::sqlite {
namespace {

// How long a statement waits for a lock that a tool (the sqlite3 shell, a backup) holds. Ours never wait for each
// other: there is one writer, and readers read snapshots.
constexpr int kBusyTimeoutMs = 5000;

}  // namespace

absl::Status TranslateError(sqlite3* db, int code) {
  const int extended = db != nullptr ? sqlite3_extended_errcode(db) : code;
  const std::string message = absl::StrCat("store: ", db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(code),
                                           " (SQLite code ", extended, ")");
  switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::DataLossError(message);
    default:
      return absl::InternalError(message);
  }
}

void Binder::AddNumber(std::int64_t value) {
  const int code = sqlite3_bind_int64(statement_, next_++, value);
  if (code_ == SQLITE_OK) code_ = code;
}

void Binder::AddBytes(absl::string_view bytes, bool text) {
  const char* data = bytes.data() != nullptr ? bytes.data() : "";  // A null pointer would bind NULL.
  const int code = text ? sqlite3_bind_text64(statement_, next_++, data, bytes.size(), SQLITE_STATIC, SQLITE_UTF8)
                        : sqlite3_bind_blob64(statement_, next_++, data, bytes.size(), SQLITE_STATIC);
  if (code_ == SQLITE_OK) code_ = code;
}

void Binder::AddTarget(const Target& target) {
  TargetKind kind = TargetKind::kNone;
  std::int64_t value = 0;
  if (const auto* energy = std::get_if<EnergyTarget>(&target)) {
    kind = TargetKind::kEnergyMwh;
    value = energy->energy_mwh;
  } else if (const auto* amount = std::get_if<AmountTarget>(&target)) {
    kind = TargetKind::kAmountMicros;
    value = amount->amount_micros;
  } else if (const auto* time = std::get_if<DurationTarget>(&target)) {
    kind = TargetKind::kDurationNanos;
    value = absl::ToInt64Nanoseconds(time->duration);
  }
  Add(kind);
  Add(value);
}

std::int64_t Row::Number() {
  return sqlite3_column_int64(statement_, next_++);
}

std::string Row::Text() {
  const int column = next_++;
  const void* data = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  return data == nullptr ? std::string() : std::string(static_cast<const char*>(data), static_cast<std::size_t>(size));
}

Target Row::ReadTarget() {
  const auto kind = static_cast<TargetKind>(Number());
  const std::int64_t value = Number();
  switch (kind) {
    case TargetKind::kEnergyMwh:
      return EnergyTarget{value};
    case TargetKind::kAmountMicros:
      return AmountTarget{value};
    case TargetKind::kDurationNanos:
      return DurationTarget{absl::Nanoseconds(value)};
    case TargetKind::kNone:
      break;
  }
  return std::monostate{};
}

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const std::string& path, Mode mode) {
  int flags = SQLITE_OPEN_NOMUTEX;  // Each connection has a mutex of ours around it.
  flags |= mode == Mode::kReadOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
  if (mode == Mode::kCreate) flags |= SQLITE_OPEN_CREATE;
  sqlite3* db = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &db, flags, nullptr);
  std::unique_ptr<Connection> connection(new Connection(db));
  if (code != SQLITE_OK) return TranslateError(db, code);
  sqlite3_extended_result_codes(db, 1);
  sqlite3_busy_timeout(db, kBusyTimeoutMs);
  return connection;
}

absl::Status Connection::Failed(int code) {
  absl::Status status = TranslateError(db_.get(), code);
  const bool is_for_good = absl::IsDataLoss(status) || (code & 0xff) == SQLITE_IOERR;
  if (is_for_good && medium_ != nullptr) medium_->Fail(status);
  return status;
}

absl::Status Connection::Exec(const char* sql) {
  const int code = sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : Failed(code);
}

absl::StatusOr<std::int64_t> Connection::Number(absl::string_view sql) {
  std::int64_t number = 0;
  bool found = false;
  const absl::Status status = ForEach(sql, [&](Row& row) {
    number = row.Number();
    found = true;
  });
  if (!status.ok()) return status;
  if (!found) return absl::InternalError(absl::StrCat("store: no row for ", sql));
  return number;
}

absl::Status Connection::CheckStart() {
  sqlite3_file* file = nullptr;
  int code = sqlite3_file_control(db_.get(), "main", SQLITE_FCNTL_FILE_POINTER, &file);
  constexpr absl::string_view kMagic("SQLite format 3\0", 16);
  std::array<char, 16> start{};
  if (code == SQLITE_OK) code = file->pMethods->xRead(file, start.data(), static_cast<int>(start.size()), 0);
  if (code == SQLITE_OK && absl::string_view(start.data(), start.size()) != kMagic) code = SQLITE_NOTADB;
  if (code == SQLITE_OK) return absl::OkStatus();
  absl::Status status = code == SQLITE_NOTADB ? absl::DataLossError("store: its first bytes are not a database's")
                                              : absl::InternalError(absl::StrCat("store: ", sqlite3_errstr(code)));
  if (medium_ != nullptr) medium_->Fail(status);
  return status;
}

void Connection::set_checkpoint_on_close(bool on) {
  sqlite3_db_config(db_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, on ? 0 : 1, nullptr);
}

absl::StatusOr<sqlite3_stmt*> Connection::Prepared(absl::string_view sql) {
  const auto known = statements_.find(sql);
  if (known != statements_.end()) return known->second.get();
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(db_.get(), sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                                      &statement, nullptr);
  if (code != SQLITE_OK) return Failed(code);
  statements_[std::string(sql)].reset(statement);
  return statement;
}

}  // namespace ev::store::sqlite
