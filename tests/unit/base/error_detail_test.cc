#include "base/error_detail.h"

#include <gtest/gtest.h>

#include "base/backoff.h"

namespace ev {
namespace {

TEST(ErrorDetailTest, EverythingThatWasAttachedComesBack) {
  const ErrorDetail detail{.reason = "CP_BUSY",
                           .metadata = {{"cp_id", "cp_001"}, {"odd\tkey", "two\nlines\\"}},
                           .fields = {{.field = "a.b", .description = "must be\t> 0"}},
                           .retry_after = absl::Milliseconds(1500)};
  EXPECT_EQ(DetailOf(WithDetail(absl::UnavailableError("busy"), detail)), detail);
}

TEST(ErrorDetailTest, AReasonAddedLaterKeepsTheRest) {
  absl::Status status = WithRetryAfter(FieldError("target.energy_mwh", "must not be negative"), absl::Seconds(2));
  status = WithReason(status, "BAD_TARGET");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "target.energy_mwh: must not be negative");
  const ErrorDetail detail = DetailOf(status);
  EXPECT_EQ(detail.reason, "BAD_TARGET");
  EXPECT_EQ(detail.retry_after, absl::Seconds(2));
  ASSERT_EQ(detail.fields.size(), 1u);
  EXPECT_EQ(detail.fields[0].field, "target.energy_mwh");
}

TEST(ErrorDetailTest, AStatusWithoutDetailHasAnEmptyOne) {
  EXPECT_EQ(DetailOf(absl::NotFoundError("x")), ErrorDetail());
  EXPECT_EQ(DetailOf(WithReason(absl::OkStatus(), "NEVER")), ErrorDetail());
}

// B56
TEST(BackoffTest, WaitsDoubleUpToTheLimitAndBeginAgainAfterASuccess) {
  Backoff backoff({.initial = absl::Milliseconds(100), .max = absl::Milliseconds(350), .multiplier = 2, .jitter = 0.5});
  EXPECT_EQ(backoff.Next(0), absl::Milliseconds(100));
  EXPECT_EQ(backoff.Next(0), absl::Milliseconds(200));
  EXPECT_EQ(backoff.Next(0), absl::Milliseconds(350));
  EXPECT_EQ(backoff.Next(0), absl::Milliseconds(350));
  backoff.Reset();
  EXPECT_EQ(backoff.Next(0), absl::Milliseconds(100));
}

// B56
TEST(BackoffTest, ChanceTakesAwayAtMostTheJitter) {
  Backoff backoff({.initial = absl::Seconds(1), .max = absl::Seconds(1), .multiplier = 2, .jitter = 0.5});
  EXPECT_EQ(backoff.Next(0.5), absl::Milliseconds(750));
  EXPECT_GE(backoff.Next(0.999), absl::Milliseconds(500));
}

}  // namespace
}  // namespace ev
