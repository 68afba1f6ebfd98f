#include "rpc/status.h"

#include <gmock/gmock.h>
#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>
#include <grpcpp/support/status.h>
#include <gtest/gtest.h>

#include "base/error_detail.h"
#include "tests/support/status_matchers.h"

namespace ev::rpc {
namespace {

using ::testing::StartsWith;

google::rpc::Status DetailsOf(const grpc::Status& status) {
  google::rpc::Status out;
  EXPECT_TRUE(out.ParseFromString(status.error_details()));
  return out;
}

TEST(StatusTest, EveryCodeAndMessageComesBack) {
  for (int code = 0; code <= 16; ++code) {
    const absl::Status status(static_cast<absl::StatusCode>(code), "why");
    EXPECT_EQ(ToGrpc(status).error_code(), code);
    EXPECT_EQ(FromGrpc(ToGrpc(status)).code(), status.code());
    EXPECT_EQ(FromGrpc(ToGrpc(status)).message(), status.message());
  }
}

TEST(StatusTest, AServerWithoutTheMethodIsAnotherProgram) {
  EXPECT_EQ(FromGrpc(grpc::Status(grpc::UNIMPLEMENTED, "")).message(), "another program answers at this address");
}

TEST(StatusTest, ReasonFieldsAndRetryTravelAsGoogleErrorDetails) {
  absl::Status status =
      WithDetail(absl::UnavailableError("busy"), {.reason = "CP_BUSY",
                                                  .metadata = {{"cp_id", "cp_001"}},
                                                  .fields = {{.field = "cp_id", .description = "is charging"}},
                                                  .retry_after = absl::Milliseconds(1500)});
  const google::rpc::Status details = DetailsOf(ToGrpc(status));
  EXPECT_EQ(details.code(), 14);
  ASSERT_EQ(details.details_size(), 3);
  google::rpc::ErrorInfo info;
  ASSERT_TRUE(details.details(0).UnpackTo(&info));
  EXPECT_EQ(info.reason(), "CP_BUSY");
  EXPECT_EQ(info.domain(), "evcharging");
  google::rpc::BadRequest request;
  ASSERT_TRUE(details.details(1).UnpackTo(&request));
  EXPECT_EQ(request.field_violations(0).field(), "cp_id");
  EXPECT_EQ(DetailOf(FromGrpc(ToGrpc(status))), DetailOf(status));
}

TEST(StatusTest, AnErrorWithoutAReasonGetsItsCodesName) {
  EXPECT_EQ(DetailOf(FromGrpc(ToGrpc(absl::NotFoundError("x")))).reason, "NOT_FOUND");
}

// B140
TEST(StatusTest, AnErrorsTextCanAlwaysBeReadByTheClient) {
  const std::string text = "no file caf\xe9\x1b[2J \xc2\x9b";
  const grpc::Status sent = ToGrpc(
      WithDetail(absl::NotFoundError(text),
                 {.reason = "R", .metadata = {{"file", text}}, .fields = {{.field = "file", .description = text}}}));
  const absl::Status read = FromGrpc(sent);
  const std::string shown = "no file caf??[2J ?";
  EXPECT_EQ(read.message(), shown);
  EXPECT_EQ(
      DetailOf(read),
      (ErrorDetail{.reason = "R", .metadata = {{"file", shown}}, .fields = {{.field = "file", .description = shown}}}));
}

TEST(StatusTest, WhatATrailerCannotCarryIsCutAndTheReasonStays) {
  ErrorDetail detail{.reason = "TOO_MUCH", .metadata = {{"a", std::string(10000, 'x')}}};
  std::string message(1023, 'm');
  message += "\xc3\xa9 and more";
  const grpc::Status sent = ToGrpc(WithDetail(absl::InternalError(message), detail));
  EXPECT_LT(sent.error_message().size() + sent.error_details().size(), 8000u);
  EXPECT_EQ(sent.error_message(), std::string(1023, 'm') + "...");
  EXPECT_EQ(DetailOf(FromGrpc(sent)).reason, "TOO_MUCH");
}

TEST(StatusTest, ForeignAndBrokenDetailsAreLeftOut) {
  google::rpc::Status foreign;
  foreign.add_details()->set_type_url("type.googleapis.com/unknown.Thing");
  const grpc::Status with_foreign(grpc::StatusCode::ABORTED, "x", foreign.SerializeAsString());
  EXPECT_EQ(DetailOf(FromGrpc(with_foreign)), ErrorDetail());
  const grpc::Status broken(grpc::StatusCode::ABORTED, "x", "\xff\xff");
  EXPECT_THAT(FromGrpc(broken), StatusIs(absl::StatusCode::kAborted, StartsWith("x")));
}

}  // namespace
}  // namespace ev::rpc
