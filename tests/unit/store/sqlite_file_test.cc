// The file of the SQLite store: who may open it, what is refused, and what a crash leaves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/id_source.h"
#include "store/sqlite/sqlite_store.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/store/child.h"
#include "tests/unit/store/records.h"

namespace ev::store {
namespace {

using absl::StatusCode;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class SqliteFileTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<SqliteStore>> Open(SqliteOptions options = {kShards, nullptr}) {
    return SqliteStore::Open(path_, std::move(options), At(0), ids_);
  }
  // A store with some pages in it, closed.
  void MakeStore() {
    auto store = Open();
    EV_ASSERT_OK(store);
    ShardBatch batch;
    batch.epoch = (*store)->TakeShards("o", "a").value().at(0).epoch;
    for (int n = 1; n <= 200; ++n) {
      batch.sessions.push_back(OpenSession(n, SessionState::kCompleted));
      batch.tickets.push_back(FullTicket(n));
    }
    EXPECT_THAT((*store)->Commit({batch}), ::testing::ElementsAre(IsOk()));
  }
  static void Sql(const std::string& path, const std::string& sql) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db);
    sqlite3_close(db);
  }
  // Opening says why not, twice, and leaves the file as it is.
  void ExpectRefused(StatusCode code, const std::string& message) {
    const bool exists = std::filesystem::exists(path_);
    const std::string before = ReadFile(path_);
    const std::string wal_before = ReadFile(path_ + "-wal");
    for (int i = 0; i < 2; ++i) {
      EXPECT_THAT(Open(), StatusIs(code, AllOf(HasSubstr(message), HasSubstr(path_))));
      EXPECT_EQ(std::filesystem::exists(path_), exists);
      EXPECT_TRUE(ReadFile(path_) == before);
      EXPECT_TRUE(ReadFile(path_ + "-wal") == wal_before);
    }
  }

  TempDir folder_;
  const std::string path_ = folder_.File("central.db");
  RandomIdSource ids_{1};
};

// Copies.

// B211
TEST_F(SqliteFileTest, ACopyIsTheStoreOfOneMomentWhileCommitsGoOnAndLeavesNothingBeside) {
  MakeStore();
  auto store = Open({.shards = kShards, .copy_reserve_bytes = 0});
  EV_ASSERT_OK(store);
  ShardBatch batch;
  batch.epoch = (*store)->TakeShards("o", "a").value().at(0).epoch;
  for (int n = 1000; n < 12'000; ++n) batch.sessions.push_back(OpenSession(n, SessionState::kDenied));
  ASSERT_THAT((*store)->Commit({batch}), ::testing::ElementsAre(IsOk()));
  int asked = 0;
  const auto copy = (*store)->Copy([&] {
    // A session with its ticket in each step: none of them may be in the copy in part, nor begin it anew.
    ++asked;
    batch.sessions = {OpenSession(200 + asked, SessionState::kCompleted)};
    batch.tickets = {FullTicket(200 + asked)};
    EXPECT_THAT((*store)->Commit({batch}), ::testing::ElementsAre(IsOk()));
    EXPECT_FALSE(std::filesystem::exists(path_ + ".copy"));
    return asked < 100 ? absl::OkStatus() : absl::AbortedError("it begins anew with each commit");
  });
  EV_ASSERT_OK(copy);
  EXPECT_THAT(asked, AllOf(::testing::Ge(3), ::testing::Le((*copy)->size() / (1 << 20) + 2)));
  const std::string restored = folder_.File("restored.db");
  std::string bytes = (*copy)->Read(0, 1000).value();
  bytes += (*copy)->Read(1000, 1 << 30).value();
  EXPECT_EQ(static_cast<std::int64_t>(bytes.size()), (*copy)->size());
  WriteFile(restored, bytes);
  auto opened = SqliteStore::Open(restored, {kShards, nullptr}, At(0), ids_);
  EV_ASSERT_OK(opened);
  EV_EXPECT_OK((*opened)->CheckIntegrity());
  EXPECT_EQ((*opened)->id(), (*store)->id());
  EV_EXPECT_OK((*opened)->FindTicket(FullTicket(200).id));
  EXPECT_THAT((*opened)->FindTicket(FullTicket(201).id), StatusIs(StatusCode::kNotFound));
  EV_EXPECT_OK((*store)->FindTicket(FullTicket(201).id));
  EV_EXPECT_OK((*store)->CheckMedium());
}

// B211
TEST_F(SqliteFileTest, ACopyThatHasNoRoomOrIsNotWantedAnyMoreIsNotMadeAndTheStoreGoesOn) {
  MakeStore();
  auto store = Open({.shards = kShards, .copy_reserve_bytes = std::int64_t{1} << 60});
  EV_ASSERT_OK(store);
  EXPECT_THAT((*store)->Copy([] { return absl::OkStatus(); }),
              StatusIs(StatusCode::kResourceExhausted, HasSubstr("bytes left free")));
  store->reset();
  store = Open({.shards = kShards, .copy_reserve_bytes = 0});
  EV_ASSERT_OK(store);
  EXPECT_THAT((*store)->Copy([] { return absl::CancelledError("gone"); }), StatusIs(StatusCode::kCancelled));
  EXPECT_FALSE(std::filesystem::exists(path_ + ".copy"));
  EV_EXPECT_OK((*store)->CheckMedium());
}

// Refusals.

// B175
TEST_F(SqliteFileTest, AFileThatIsNoDatabaseIsRefusedAndLeftAlone) {
  WriteFile(path_, std::string(5000, 'x'));
  ExpectRefused(StatusCode::kFailedPrecondition, "move it away");
  WriteFile(path_, "short");
  ExpectRefused(StatusCode::kFailedPrecondition, "move it away");
}

// B175
TEST_F(SqliteFileTest, AnotherProgramsDatabaseIsRefusedAndLeftAlone) {
  Sql(path_, "CREATE TABLE theirs(x); INSERT INTO theirs VALUES (1)");
  ExpectRefused(StatusCode::kFailedPrecondition, "another program's database");
}

// B175
TEST_F(SqliteFileTest, ATruncatedFileIsRefusedAndLeftAlone) {
  MakeStore();
  const auto size = std::filesystem::file_size(path_);
  for (const auto left : {size - 1, size - 4096, size / 2, std::uintmax_t{4096}, std::uintmax_t{100},
                          std::uintmax_t{99}, std::uintmax_t{10}, std::uintmax_t{0}}) {
    std::filesystem::resize_file(path_, left);
    ExpectRefused(StatusCode::kDataLoss, "restore it from a backup");
  }
}

TEST_F(SqliteFileTest, ANewerSchemaIsRefusedAndLeftAlone) {
  MakeStore();
  Sql(path_, "PRAGMA journal_mode = DELETE; PRAGMA user_version = 99");
  ExpectRefused(StatusCode::kFailedPrecondition, "newer version");
}

TEST_F(SqliteFileTest, ANewerSchemaThatACrashLeftInTheWriteAheadLogIsRefusedAndLeftAlone) {
  MakeStore();
  const std::string copy = folder_.File("copy.db");
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &db), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(db, "PRAGMA user_version = 99", nullptr, nullptr, nullptr), SQLITE_OK);
  for (const char* suffix : {"", "-wal"}) std::filesystem::copy_file(path_ + suffix, copy + suffix);
  sqlite3_close(db);
  for (const char* suffix : {"", "-wal"}) std::filesystem::rename(copy + suffix, path_ + suffix);
  ExpectRefused(StatusCode::kFailedPrecondition, "newer version");
}

TEST_F(SqliteFileTest, AnotherNumberOfShardsIsRefusedAndLeftAlone) {
  EV_ASSERT_OK(Open({kShards + 1, nullptr}));
  ExpectRefused(StatusCode::kFailedPrecondition, absl::StrCat("made for ", kShards + 1, " shards"));
}

TEST_F(SqliteFileTest, AWriteAheadLogWithoutItsFileIsRefused) {
  WriteFile(path_ + "-wal", "commits that are not in any file");
  ExpectRefused(StatusCode::kDataLoss, "restore both");
}

TEST_F(SqliteFileTest, ADamagedFirstPageIsDataLoss) {
  MakeStore();
  std::string bytes = ReadFile(path_);
  for (std::size_t i = 100; i < 4096; ++i) bytes[i] = '\x5a';
  WriteFile(path_, bytes);
  ExpectRefused(StatusCode::kDataLoss, "restore it from a backup");
}

TEST_F(SqliteFileTest, AFolderThatIsNotThereIsNamed) {
  EXPECT_THAT(SqliteStore::Open(folder_.File("no/central.db"), {}, At(0), ids_),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("no/central.db")));
}

TEST_F(SqliteFileTest, AFolderInsteadOfAFileIsRefused) {
  std::filesystem::create_directory(path_);
  EXPECT_THAT(Open(), StatusIs(StatusCode::kFailedPrecondition, HasSubstr(path_)));
}

TEST_F(SqliteFileTest, TheCheckFindsADamagedPage) {
  MakeStore();
  EV_ASSERT_OK(Open().value()->CheckIntegrity());
  std::string bytes = ReadFile(path_);
  const std::size_t page = bytes.size() / 4096 / 2 * 4096;
  for (std::size_t i = page; i < page + 64; ++i) bytes[i] = static_cast<char>(~bytes[i]);
  WriteFile(path_, bytes);
  auto store = Open();
  EV_ASSERT_OK(store);
  EXPECT_THAT((*store)->CheckIntegrity(),
              StatusIs(StatusCode::kDataLoss, AllOf(HasSubstr(path_), HasSubstr("restore it from a backup"))));
}

TEST_F(SqliteFileTest, TheCheckFindsARowThatIsMissingInAnIndex) {
  MakeStore();
  // While the schema does not name the index, a row changes and the index does not.
  Sql(path_,
      "CREATE TEMP TABLE kept AS SELECT * FROM sqlite_schema WHERE name = 'ticket_by_issued';"
      "PRAGMA writable_schema = ON;"
      "DELETE FROM sqlite_schema WHERE name = 'ticket_by_issued'; PRAGMA writable_schema = RESET;"
      "UPDATE ticket SET issued_ns = issued_ns + 1 WHERE id = (SELECT min(id) FROM ticket);"
      "PRAGMA writable_schema = ON;"
      "INSERT INTO sqlite_schema SELECT * FROM kept; PRAGMA writable_schema = RESET");
  EXPECT_THAT(Open().value()->CheckIntegrity(),
              StatusIs(StatusCode::kDataLoss, HasSubstr("missing from index ticket_by_issued")));
}

TEST_F(SqliteFileTest, TheMarksOfTheFileAreWritten) {
  MakeStore();
  const std::string header = ReadFile(path_).substr(0, 100);
  EXPECT_EQ(header.substr(68, 4), "EVC1");
  EXPECT_EQ(header.substr(60, 4), std::string("\0\0\0\3", 4));
}

TEST_F(SqliteFileTest, AFileOfTheFirstSchemaIsBroughtUpToDateAndKeepsItsRows) {
  Session charged = FullSession(1);
  charged.state = SessionState::kCompleted;
  Session granted = OpenSession(2, SessionState::kGranted);
  granted.number = FullPoint("cp_001").highest_grant;
  {
    auto store = Open();
    EV_ASSERT_OK(store);
    ShardBatch batch;
    batch.epoch = (*store)->TakeShards("o", "a").value().at(0).epoch;
    batch.sessions = {charged, granted};
    batch.points = {FullPoint("cp_001")};
    batch.tickets = {FullTicket(1)};
    EXPECT_THAT((*store)->Commit({batch}), ::testing::ElementsAre(IsOk()));
  }
  std::string back = "PRAGMA user_version = 1;";
  for (const char* column : {"measured_ns", "register_end_mwh", "stop_asked", "written_off_by", "written_off_reason",
                             "trace_id", "trace_sampled"}) {
    absl::StrAppend(&back, "ALTER TABLE session DROP COLUMN ", column, ";");
  }
  Sql(path_, back);
  charged.measured = charged.updated;  // All that was known of it.
  charged.register_end_mwh = 0;
  charged.stop_asked = EndReason::kNone;
  charged.written_off_by = charged.written_off_reason = "";
  charged.trace = {};
  auto store = Open();
  EV_ASSERT_OK(store);
  EXPECT_EQ((*store)->FindSession(charged.id).value(), charged);
  EXPECT_EQ((*store)->FindSession(granted.id).value(), granted);
  EXPECT_EQ((*store)->FindTicket(FullTicket(1).id).value(), FullTicket(1));
  EXPECT_THAT((*store)->TakeShards("o", "a").value().at(0).points, ::testing::ElementsAre(FullPoint("cp_001")));
  EV_EXPECT_OK((*store)->CheckIntegrity());
}

// B222
TEST_F(SqliteFileTest, AFileFromBeforeThereWereTracesIsBroughtUpToDateAndThenKeepsThem) {
  Session charged = FullSession(1);
  ShardBatch batch;
  batch.sessions = {charged};
  {
    auto store = Open();
    EV_ASSERT_OK(store);
    batch.epoch = (*store)->TakeShards("o", "a").value().at(0).epoch;
    EXPECT_THAT((*store)->Commit({batch}), ::testing::ElementsAre(IsOk()));
  }
  Sql(path_,
      "PRAGMA user_version = 2; ALTER TABLE session DROP COLUMN trace_id;"
      "ALTER TABLE session DROP COLUMN trace_sampled;");
  charged.trace = {};
  {
    auto store = Open();
    EV_ASSERT_OK(store);
    EXPECT_EQ((*store)->FindSession(charged.id).value(), charged);
    batch.epoch = (*store)->TakeShards("o", "a").value().at(0).epoch;
    EXPECT_THAT((*store)->Commit({batch}), ::testing::ElementsAre(IsOk()));
  }
  auto store = Open();
  EV_ASSERT_OK(store);
  EXPECT_EQ((*store)->FindSession(charged.id).value().trace, FullSession(1).trace);
}

// One owner.

// B175
TEST_F(SqliteFileTest, ASecondStoreOnTheSameFileIsRefusedByProcessId) {
  auto store = Open();
  EV_ASSERT_OK(store);
  EXPECT_THAT(Open(), StatusIs(StatusCode::kFailedPrecondition, HasSubstr(absl::StrCat("process ", ::getpid()))));
  EV_EXPECT_OK((*store)->TakeShards("o", "a"));  // The first one goes on.
  store->reset();
  EV_EXPECT_OK(Open());
}

// B175
TEST_F(SqliteFileTest, ASecondProcessOnTheSameFileIsRefusedAndADeadOneIsNot) {
  Child child([&](int out) {
    auto store = Open();
    Tell(out, store.ok() ? 1 : 0);
    for (;;) ::pause();
  });
  int opened = 0;
  ASSERT_TRUE(child.Read(opened));
  ASSERT_EQ(opened, 1);
  EXPECT_THAT(Open(), StatusIs(StatusCode::kFailedPrecondition, HasSubstr(absl::StrCat("process ", child.pid()))));
  child.Kill();
  EV_EXPECT_OK(Open());
}

TEST_F(SqliteFileTest, TheRestOfAStartThatCrashedIsReplaced) {
  WriteFile(path_ + ".new", "half");
  EV_ASSERT_OK(Open());
  EXPECT_FALSE(std::filesystem::exists(path_ + ".new"));
}

// What happens to the files below an open store.

class SqliteMediumTest : public SqliteFileTest {
 protected:
  void Start(SqliteOptions options = {kShards, nullptr}) {
    auto store = Open(std::move(options));
    EV_ASSERT_OK(store);
    store_ = *std::move(store);
    epoch_ = store_->TakeShards("o", "a").value().at(0).epoch;
    EV_ASSERT_OK(CommitSession(1));
    EV_ASSERT_OK(store_->CheckMedium());
  }
  absl::Status CommitSession(int n) {
    ShardBatch batch;
    batch.epoch = epoch_;
    batch.sessions = {OpenSession(n)};
    return store_->Commit({batch}).at(0);
  }
  // Noticed without a commit, no commit is OK from then on, and the answer names the file and stays.
  void ExpectLost(const std::string& file, const std::string& message) {
    const auto is_lost = StatusIs(StatusCode::kDataLoss, AllOf(HasSubstr(file + " was"), HasSubstr(message)));
    EXPECT_THAT(CommitSession(2), is_lost);
    EXPECT_THAT(store_->CheckMedium(), is_lost);
    EXPECT_FALSE(store_->SetKafkaClusterId("c").ok());
    EXPECT_THAT(store_->CheckMedium(), is_lost);
  }

  const std::string wal_ = path_ + "-wal";
  std::unique_ptr<SqliteStore> store_;
  std::int64_t epoch_ = 0;
};

// B189
TEST_F(SqliteMediumTest, AStoreWhoseFilesAreMovedAwayBooksNothingAndIsWholeWhereTheyAre) {
  Start();
  const std::string away = folder_.File("away.db");
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::rename(path_ + suffix, away + suffix);
  EXPECT_THAT(store_->CheckMedium(), StatusIs(StatusCode::kDataLoss));
  ExpectLost(path_, "removed (No such file or directory) while it was in use: put it back, with its -wal file");
  store_.reset();
  for (const char* suffix : {"", "-wal"}) std::filesystem::rename(away + suffix, path_ + suffix);
  auto store = Open();
  EV_ASSERT_OK(store);
  EXPECT_FALSE((*store)->is_new());
  EV_EXPECT_OK((*store)->FindSession(Id(1)));
  EXPECT_THAT((*store)->FindSession(Id(2)), StatusIs(StatusCode::kNotFound));
  EV_EXPECT_OK((*store)->CheckIntegrity());
}

// B189
TEST_F(SqliteMediumTest, AnotherFileInItsPlaceIsNoticedAndLeftAlone) {
  Start();
  WriteFile(folder_.File("other"), std::string(1'000'000, 'x'));
  std::filesystem::rename(folder_.File("other"), path_);
  ExpectLost(path_, "replaced");
  store_.reset();
  EXPECT_EQ(ReadFile(path_), std::string(1'000'000, 'x'));
}

// B189
TEST_F(SqliteMediumTest, AFileThatIsCutShortIsNoticed) {
  Start();
  std::filesystem::resize_file(path_, std::filesystem::file_size(path_) - 1);
  ExpectLost(path_, "cut short");
}

// B189
TEST_F(SqliteMediumTest, AStartThatIsOverwrittenIsNoticedByTheNextCommitAlsoWhenNothingIsReadFromIt) {
  Start();
  std::fstream(path_, std::ios::binary | std::ios::in | std::ios::out) << "not SQLite any more";
  const std::string before = ReadFile(path_);
  EXPECT_THAT(CommitSession(2), StatusIs(StatusCode::kDataLoss, HasSubstr(path_ + " is damaged")));
  EXPECT_THAT(store_->CheckMedium(), StatusIs(StatusCode::kDataLoss));
  store_.reset();
  EXPECT_TRUE(ReadFile(path_) == before);
}

// B189
TEST_F(SqliteMediumTest, AWriteAheadLogThatIsCutShortIsNoticedAndTheFileIsLeftAsItIs) {
  Start();
  const std::string before = ReadFile(path_);
  const auto left = std::filesystem::file_size(wal_) - 1;
  std::filesystem::resize_file(wal_, left);
  ExpectLost(wal_, absl::StrCat("cut short while it was in use (", left, " bytes of"));
  store_.reset();
  EXPECT_TRUE(ReadFile(path_) == before) << "what is left of the log is not copied into it";
}

// B189
TEST_F(SqliteMediumTest, AWriteAheadLogThatIsRemovedOrReplacedIsNoticedAndLosesNothingThatWasCommitted) {
  for (const bool is_replaced : {false, true}) {
    Start();
    std::filesystem::remove(wal_);
    if (is_replaced) WriteFile(wal_, std::string(1'000'000, 'x'));
    ExpectLost(wal_, is_replaced ? "replaced" : "removed");
    store_.reset();
    auto store = Open();
    EV_ASSERT_OK(store);
    EV_EXPECT_OK((*store)->FindSession(Id(1)));
    EV_EXPECT_OK((*store)->CheckIntegrity());
  }
}

// B189
TEST_F(SqliteMediumTest, WhatHappensToTheFilesDuringACommitIsNoticedBeforeItIsAnswered) {
  std::string lost;
  Start({kShards, [&] {
           if (!lost.empty()) std::filesystem::remove(lost);
           return absl::OkStatus();
         }});
  lost = path_;
  EXPECT_THAT(CommitSession(2), StatusIs(StatusCode::kUnknown, HasSubstr(path_ + " was removed")));
  EXPECT_THAT(CommitSession(3), StatusIs(StatusCode::kDataLoss));
}

TEST_F(SqliteMediumTest, ALogThatIsUsedAgainFromItsStartAndABackupAreNoHarm) {
  Start();
  for (int n = 2; n <= 4; ++n) {
    Sql(path_, "PRAGMA wal_checkpoint(RESTART)");
    EV_EXPECT_OK(CommitSession(n));
  }
  Sql(path_, "SELECT count(*) FROM session; VACUUM INTO '" + folder_.File("copy.db") + "'");
  EV_EXPECT_OK(CommitSession(5));
  EV_EXPECT_OK(store_->CheckMedium());
}

TEST_F(SqliteMediumTest, WhetherAFileWasMadeIsKnown) {
  EXPECT_TRUE(Open().value()->is_new());
  EXPECT_FALSE(Open().value()->is_new());
}

// Reads beside a commit.

TEST_F(SqliteFileTest, AReadDoesNotWaitForACommitAndDoesNotSeeIt) {
  std::unique_ptr<SqliteStore> store;
  bool read_in_time = false;
  absl::Status seen;
  std::future<absl::Status> read;
  const auto before_commit = [&] {
    read = std::async(std::launch::async, [&] { return store->FindSession(Id(1)).status(); });
    read_in_time = read.wait_for(std::chrono::seconds(10)) == std::future_status::ready;
    if (read_in_time) seen = read.get();
    return absl::OkStatus();
  };
  auto opened = Open({kShards, before_commit});
  EV_ASSERT_OK(opened);
  store = *std::move(opened);
  ShardBatch batch;
  batch.epoch = store->TakeShards("o", "a").value().at(0).epoch;
  batch.sessions = {OpenSession(1)};
  EXPECT_THAT(store->Commit({batch}), ::testing::ElementsAre(IsOk()));
  EXPECT_TRUE(read_in_time);
  EXPECT_THAT(seen, StatusIs(StatusCode::kNotFound));
  EV_EXPECT_OK(store->FindSession(Id(1)));
}

}  // namespace
}  // namespace ev::store
