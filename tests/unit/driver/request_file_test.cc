#include "services/driver/core/request_file.h"

#include <gmock/gmock.h>

#include <string>

#include "tests/support/status_matchers.h"

namespace ev::driver {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(RequestFileTest, EachLineIsOneChargingPointInOrderRepeatsAllowed) {
  const auto requests = ParseRequestFile("f", "cp_002\ncp_001\ncp_002\n");
  EV_ASSERT_OK(requests);
  EXPECT_THAT(*requests, ElementsAre(CpId("cp_002"), CpId("cp_001"), CpId("cp_002")));
}

TEST(RequestFileTest, BlankLinesAndCommentsAreSkipped) {
  const auto requests = ParseRequestFile("f", "# mine\n\n  cp_001  # home\r\n\t\n#cp_009\ncp_002");
  EV_ASSERT_OK(requests);
  EXPECT_THAT(*requests, ElementsAre(CpId("cp_001"), CpId("cp_002")));
}

TEST(RequestFileTest, ABadLineIsRefusedByItsNumber) {
  EXPECT_THAT(ParseRequestFile("my.txt", "cp_001\n\ncp 002\n"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("my.txt:3: a line is one charging point id")));
  EXPECT_THAT(ParseRequestFile("my.txt", "cp_001\ncp/002\n"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("my.txt:2: charging point id contains")));
  EXPECT_THAT(ParseRequestFile("my.txt", std::string(65, 'x')),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("my.txt:1: charging point id has 65 characters")));
}

TEST(RequestFileTest, AFileWithoutRequestsOrWithTooManyIsRefused) {
  EXPECT_THAT(ParseRequestFile("my.txt", "# nothing\n"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("my.txt names no charging point")));
  std::string text;
  for (int i = 0; i < kMaxRequests; ++i) text += "cp\n";
  EV_EXPECT_OK(ParseRequestFile("my.txt", text));
  EXPECT_THAT(ParseRequestFile("my.txt", text + "cp\n"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("my.txt:1001: more than 1000 requests")));
}

}  // namespace
}  // namespace ev::driver
