// BackupStore and PruneStore, with their errors.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/synchronization/notification.h"
#include "digest/sha256.h"
#include "store/store_copy.h"
#include "tests/integration/central/central_world.h"

namespace ev::central {
namespace {

class Bytes final : public store::StoreCopy {
 public:
  explicit Bytes(std::string bytes) : bytes_(std::move(bytes)) {}
  std::int64_t size() const override { return static_cast<std::int64_t>(bytes_.size()); }
  absl::StatusOr<std::string> Read(std::int64_t offset, std::size_t limit) override {
    return bytes_.substr(static_cast<std::size_t>(offset), limit);
  }

 private:
  const std::string bytes_;
};

WorldOptions With(CopyStore copy) {
  WorldOptions options;
  options.copy_store = std::move(copy);
  return options;
}

std::string SomeBytes(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 31 >> 3);
  return bytes;
}

// B211
TEST(BackupTest, TheWholeCopyComesInPartsWithItsSizeAndItsDigestInTheLast) {
  const std::string bytes = SomeBytes(3'000'001);
  CentralWorld world(With([&](const store::MayGoOn&) { return std::make_unique<Bytes>(bytes); }));
  for (int i = 0; i < 2; ++i) {
    std::string received;
    std::string digest;
    ASSERT_THAT(world.Backup([&](const pb::BackupPart& part) {
      EXPECT_EQ(part.total_bytes(), 3'000'001);
      EXPECT_EQ(digest, "") << "the last part is the last";
      received += part.data();
      digest = part.sha256();
      return true;
    }),
                IsOk());
    EXPECT_TRUE(received == bytes);
    Sha256 own;
    own.Add(bytes);
    EXPECT_EQ(digest, own.Finish());
  }
}

// B211
TEST(BackupTest, OneAtATimeAndACallerWhoLeavesMakesRoomForTheNext) {
  absl::Notification is_copying;
  absl::Notification has_left;
  bool is_first = true;  // One copy at a time is made.
  CentralWorld world(With([&](const store::MayGoOn& may_go_on) -> absl::StatusOr<std::unique_ptr<store::StoreCopy>> {
    if (std::exchange(is_first, false)) {
      is_copying.Notify();
      while (may_go_on().ok()) has_left.WaitForNotificationWithTimeout(absl::Milliseconds(1));
      return may_go_on();
    }
    return std::make_unique<Bytes>("copy");
  }));
  const auto ignore = [](const pb::BackupPart&) { return true; };
  grpc::ClientContext context;
  std::jthread first([&] { EXPECT_THAT(world.Backup(ignore, context), StatusIs(absl::StatusCode::kCancelled)); });
  is_copying.WaitForNotification();
  EXPECT_THAT(world.Backup(ignore), Fails(absl::StatusCode::kAborted, "BACKUP_RUNNING"));
  context.TryCancel();
  EXPECT_TRUE(Eventually(kPatience, [&] { return world.Backup(ignore).ok(); }));
}

// B211
TEST(BackupTest, WhatCannotBeCopiedSaysWhy) {
  const auto ignore = [](const pb::BackupPart&) { return true; };
  {
    CentralWorld world;
    EXPECT_THAT(world.Backup(ignore), Fails(absl::StatusCode::kFailedPrecondition, "NO_COPY"));
  }
  CentralWorld world(With([](const store::MayGoOn&) { return absl::ResourceExhaustedError("no room"); }));
  EXPECT_THAT(world.Backup(ignore), Fails(absl::StatusCode::kResourceExhausted, "NO_SPACE"));
}

// B211
TEST(BackupTest, ACallerThatTakesNothingMakesRoomForTheNext) {
  WorldOptions options = With([&](const store::MayGoOn&) { return std::make_unique<Bytes>(SomeBytes(50'000'000)); });
  options.backup.part = absl::Milliseconds(50);
  CentralWorld world(std::move(options));
  bool is_first = true;
  const absl::Status ended = world.Backup([&](const pb::BackupPart&) {
    if (std::exchange(is_first, false)) {
      const auto leave = [](const pb::BackupPart&) { return false; };
      EXPECT_TRUE(Eventually(kPatience, [&] { return ReasonOf(world.Backup(leave)) != "BACKUP_RUNNING"; }));
    }
    return true;
  });
  EXPECT_THAT(ended, Fails(absl::StatusCode::kDeadlineExceeded, "SLOW_CONSUMER"));
}

// B211
TEST(BackupTest, ABackupThatTakesTooLongEnds) {
  WorldOptions options = With([](const store::MayGoOn& may_go_on) -> absl::StatusOr<std::unique_ptr<store::StoreCopy>> {
    absl::Status status;
    EXPECT_TRUE(Eventually(kPatience, [&] { return !(status = may_go_on()).ok(); }));
    return status;
  });
  options.backup.whole = absl::Milliseconds(50);
  CentralWorld world(std::move(options));
  EXPECT_THAT(world.Backup([](const pb::BackupPart&) { return true; }),
              Fails(absl::StatusCode::kDeadlineExceeded, "BACKUP_TOO_LONG"));
}

// B211
TEST(BackupTest, ACentralThatStopsEndsABackup) {
  absl::Notification is_copying;
  absl::Notification has_ended;
  CentralWorld world(With([&](const store::MayGoOn& may_go_on) -> absl::StatusOr<std::unique_ptr<store::StoreCopy>> {
    is_copying.Notify();
    EXPECT_TRUE(Eventually(kPatience, [&] { return !may_go_on().ok(); }));
    has_ended.Notify();
    return may_go_on();
  }));
  absl::Status ended;
  std::jthread caller([&] { ended = world.Backup([](const pb::BackupPart&) { return true; }); });
  is_copying.WaitForNotification();
  world.Stop();
  caller.join();
  EXPECT_TRUE(has_ended.HasBeenNotified());
  EXPECT_FALSE(ended.ok());
}

// B212
TEST(PruneTest, HowOldMustBeSaidAndAtLeastSevenDays) {
  CentralWorld world;
  pb::PruneStoreRequest request;
  EXPECT_THAT(world.Call(request), FailsAtField("before"));
  request.mutable_before()->set_seconds(absl::ToUnixSeconds(absl::Now() - absl::Hours(24 * 7) + absl::Minutes(1)));
  EXPECT_THAT(world.Call(request), FailsAtField("before"));
  request.mutable_before()->set_seconds(absl::ToUnixSeconds(absl::Now() - absl::Hours(24 * 8)));
  request.set_requested_by("\n");
  EXPECT_THAT(world.Call(request), FailsAtField("requested_by"));
  request.set_requested_by("ann");
  request.set_dry_run(true);
  const auto none = world.Call(request);
  ASSERT_THAT(none, IsOk());
  EXPECT_EQ(none->session_count(), 0);
  EXPECT_EQ(none->refusal_count(), 0);
  EXPECT_FALSE(none->has_more());
}

}  // namespace
}  // namespace ev::central
