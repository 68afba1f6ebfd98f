// What evctl makes of a Central that sends a backup in pieces, or that prunes.
#include <gmock/gmock.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/evctl/backup.h"
#include "cli/evctl/prune.h"
#include "digest/sha256.h"
#include "evcharging/central/v1/server_service.grpc.pb.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ev::evctl {
namespace {

namespace pb = evcharging::central::v1;
using ::testing::HasSubstr;

class FakeServer final : public pb::ServerService::Service {
 public:
  std::function<void()> before_parts = [] {};
  std::vector<pb::BackupPart> parts;
  grpc::Status end_of_parts;
  std::vector<int> pruned;  // Sessions, of each call; behind the last one it fails.

 private:
  grpc::Status BackupStore(grpc::ServerContext*, const pb::BackupStoreRequest*,
                           grpc::ServerWriter<pb::BackupPart>* writer) override {
    before_parts();
    for (const pb::BackupPart& part : parts) writer->Write(part);
    return end_of_parts;
  }
  grpc::Status PruneStore(grpc::ServerContext*, const pb::PruneStoreRequest* request,
                          pb::PruneStoreResponse* response) override {
    if (calls_ == pruned.size()) return {grpc::StatusCode::UNAVAILABLE, "the disk is gone"};
    response->set_session_count(pruned[calls_++]);
    response->set_has_more(response->session_count() == 1000);
    return request->before().seconds() > 0 ? grpc::Status::OK : grpc::Status(grpc::StatusCode::INTERNAL, "no time");
  }

  std::size_t calls_ = 0;
};

class StoreCommandsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&fake_);
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
    auto central = Central::Make({.address = absl::StrCat("127.0.0.1:", port), .limit = absl::Seconds(30)});
    EV_ASSERT_OK(central);
    central_ = std::make_unique<Central>(*std::move(central));
  }
  void TearDown() override { server_->Shutdown(); }

  void SendPart(const std::string& data, const std::string& sha256 = "") {
    pb::BackupPart part;
    part.set_data(data);
    part.set_sha256(sha256);
    part.set_total_bytes(6);
    fake_.parts.push_back(part);
  }
  static std::string DigestOf(const std::string& text) {
    Sha256 digest;
    digest.Add(text);
    return digest.Finish();
  }
  // A file that is not whole must not be found, nor what was there be gone.
  void ExpectNothingKept() const {
    EXPECT_EQ(ReadFile(file_), "what was there");
    EXPECT_FALSE(std::filesystem::exists(file_ + ".part"));
  }

  const TempDir dir_;
  const std::string file_ = dir_.File("central.db");
  FakeServer fake_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<Central> central_;
  std::ostringstream out_;
};

// B211
TEST_F(StoreCommandsTest, AWholeBackupTakesItsNameAndNoOther) {
  SendPart("abc");
  SendPart("def");
  SendPart("", DigestOf("abcdef"));
  ASSERT_THAT(Backup(*central_, {.file = file_}, out_), IsOk());
  EXPECT_EQ(ReadFile(file_), "abcdef");
  EXPECT_EQ(out_.str(), absl::StrCat(file_, ": 6 bytes, SHA-256 ", DigestOf("abcdef"), "\n"));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir_.path()), {}), 1);

  WriteFile(file_, "what was there");
  EXPECT_THAT(Backup(*central_, {.file = file_}, out_), StatusIs(absl::StatusCode::kAlreadyExists));
  ExpectNothingKept();
}

// B211
TEST_F(StoreCommandsTest, AFileThatComesMeanwhileIsNotReplacedUnlessItIsMeant) {
  SendPart("abcdef");
  SendPart("", DigestOf("abcdef"));
  fake_.before_parts = [&] { WriteFile(file_, "what was there"); };
  EXPECT_THAT(Backup(*central_, {.file = file_}, out_), StatusIs(absl::StatusCode::kAlreadyExists));
  ExpectNothingKept();
  EXPECT_THAT(Backup(*central_, {.file = file_, .is_forced = true}, out_), IsOk());
  EXPECT_EQ(ReadFile(file_), "abcdef");
}

// B211
TEST_F(StoreCommandsTest, WhatIsNotAFileIsNeverReplaced) {
  SendPart("", DigestOf(""));
  EXPECT_THAT(Backup(*central_, {.file = dir_.path(), .is_forced = true}, out_),
              StatusIs(absl::StatusCode::kInvalidArgument));
  ASSERT_EQ(::mkfifo(file_.c_str(), 0600), 0);
  EXPECT_THAT(Backup(*central_, {.file = file_, .is_forced = true}, out_),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_TRUE(std::filesystem::is_fifo(file_));
}

// B211
TEST_F(StoreCommandsTest, ABackupThatIsNotWhatCentralSentIsNotKept) {
  WriteFile(file_, "what was there");
  SendPart("abc");
  SendPart("dEf");
  SendPart("", DigestOf("abcdef"));
  EXPECT_THAT(Backup(*central_, {.file = file_, .is_forced = true}, out_), StatusIs(absl::StatusCode::kDataLoss));
  ExpectNothingKept();
}

// B211
TEST_F(StoreCommandsTest, ABackupThatEndsEarlyIsNotKept) {
  WriteFile(file_, "what was there");
  EXPECT_THAT(Backup(*central_, {.file = file_, .is_forced = true}, out_), StatusIs(absl::StatusCode::kDataLoss));
  SendPart("abc");
  EXPECT_THAT(Backup(*central_, {.file = file_, .is_forced = true}, out_), StatusIs(absl::StatusCode::kDataLoss));
  SendPart("def");
  SendPart("", DigestOf("abcdef"));
  fake_.end_of_parts = {grpc::StatusCode::ABORTED, "Central stops"};
  EXPECT_THAT(Backup(*central_, {.file = file_, .is_forced = true}, out_), StatusIs(absl::StatusCode::kAborted));
  ExpectNothingKept();
}

// B212
TEST_F(StoreCommandsTest, PruneGoesOnUntilNothingIsLeft) {
  fake_.pruned = {1000, 1000, 7};
  EXPECT_THAT(Prune(*central_, {.before = "90d", .is_meant = true}, out_), IsOk());
  EXPECT_EQ(out_.str(), "removed: 2007 sessions that were denied or expired without energy, 0 refusals\n");
}

// B212
TEST_F(StoreCommandsTest, ADryPruneLooksOnceAndSaysThatThereMayBeMore) {
  fake_.pruned = {1000};
  EXPECT_THAT(Prune(*central_, {.before = "90d"}, out_), IsOk());
  EXPECT_THAT(out_.str(), HasSubstr("would be removed: 1000 or more sessions"));
}

// B212
TEST_F(StoreCommandsTest, APruneThatFailsSaysWhatItHasRemoved) {
  EXPECT_THAT(Prune(*central_, {.before = "90d", .is_meant = true}, out_), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(out_.str(), "");
  fake_.pruned = {1000, 1000};
  EXPECT_THAT(Prune(*central_, {.before = "90d", .is_meant = true}, out_), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(out_.str(), HasSubstr("removed: 2000 or more sessions"));
}

}  // namespace
}  // namespace ev::evctl
