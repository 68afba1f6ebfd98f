#include "domain/ids.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/support/status_matchers.h"

namespace ev {
namespace {

using ::testing::HasSubstr;

// B185
TEST(IdsTest, IdsOfLettersDigitsAndFourSignsAreAccepted) {
  for (const char* text : {"a", "0", "cp_001", "A.b_c:d-9"}) {
    EXPECT_THAT(ParseCpId(text), IsOk()) << text;
    EXPECT_THAT(ParseDriverId(text), IsOk()) << text;
  }
  EXPECT_EQ(ParseCpId("cp_001")->value(), "cp_001");
  EXPECT_THAT(ParseCpId(std::string(64, 'a')), IsOk());
}

// B185 B160
TEST(IdsTest, WhatIsNoIdIsRefusedAndNamed) {
  EXPECT_THAT(ParseCpId(""), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("charging point id is empty")));
  EXPECT_THAT(ParseDriverId(""), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("driver id is empty")));
  EXPECT_THAT(ParseCpId(std::string(65, 'a')), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("65")));
  EXPECT_THAT(ParseCpId("cp 1"), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("0x20")));
  EXPECT_THAT(ParseCpId("cp\n1"), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("0x0a")));
  EXPECT_THAT(ParseCpId(absl::string_view("cp\0", 3)), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("0x00")));
  EXPECT_THAT(ParseCpId("cp\xc3\xa9"), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("0xc3")));
  EXPECT_THAT(ParseCpId("cp/1"), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("0x2f")));
  for (const char* text : {".cp", "_cp", ":cp", "-cp", "-"}) {
    EXPECT_THAT(ParseDriverId(text), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("begin"))) << text;
  }
}

TEST(IdsTest, ASessionIdIs32LowerCaseHexadecimalDigits) {
  EXPECT_THAT(ParseSessionId("0123456789abcdef0123456789abcdef"), IsOk());
  for (const char* text : {"", "0123456789abcdef0123456789abcde", "0123456789abcdef0123456789abcdef0",
                           "0123456789ABCDEF0123456789abcdef", "0123456789abcdef0123456789abcdeg"}) {
    EXPECT_THAT(ParseSessionId(text), StatusIs(absl::StatusCode::kInvalidArgument)) << text;
  }
}

// B185 B160
TEST(IdsTest, ARequestIdIsPrintableAsciiWithoutBlanksOrEmpty) {
  for (const std::string& text : {std::string(), std::string("r1"), std::string("!~{}/\"'"), std::string(64, 'a')}) {
    EXPECT_THAT(CheckRequestId("request_id", text), IsOk()) << text;
  }
  const auto refused = [](const std::string& why) {
    return StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("up.request_id: " + why));
  };
  EXPECT_THAT(CheckRequestId("up.request_id", "a b"), refused("contains the byte 0x20"));
  EXPECT_THAT(CheckRequestId("up.request_id", "a\n"), refused("contains the byte 0x0a"));
  EXPECT_THAT(CheckRequestId("up.request_id", "\x7f"), refused("contains the byte 0x7f"));
  EXPECT_THAT(CheckRequestId("up.request_id", "caf\xc3\xa9"), refused("contains the byte 0xc3"));
  EXPECT_THAT(CheckRequestId("up.request_id", absl::string_view("\0", 1)), refused("contains the byte 0x00"));
  EXPECT_THAT(CheckRequestId("up.request_id", std::string(65, 'a')), refused("has 65 characters, at most 64"));
  EXPECT_THAT(CheckRequestId("up.request_id", std::string(59, 'a'), 58), refused("has 59 characters, at most 58"));
}

TEST(IdsTest, NumbersOfOneKindGrow) {
  EXPECT_EQ(GrantNumber(), GrantNumber(0));
  EXPECT_GT(GrantNumber(1).Next(), GrantNumber(1));
}

}  // namespace
}  // namespace ev
