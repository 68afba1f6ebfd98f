#include "base/address.h"

#include <gmock/gmock.h>

#include "tests/support/status_matchers.h"

namespace ev {
namespace {

using ::testing::HasSubstr;

TEST(AddressTest, AnAddressIsAHostAndAPort) {
  for (const char* good : {"localhost:50051", "10.0.0.1:1", "[::1]:65535", "central.ev.svc:50051", "a:1"}) {
    EXPECT_THAT(CheckAddress(good), IsOk()) << good;
  }
  for (const char* bad :
       {"", "localhost", ":1", "[]:1", "::1", "a b:1", "a/b:1", "user@a:1", "http://localhost:1", "[::1]"}) {
    EXPECT_THAT(CheckAddress(bad), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is not"))) << bad;
  }
  for (const char* bad : {"a:", "a:0", "a:65536", "a:b", "a:-1", "a:1x"}) {
    EXPECT_THAT(CheckAddress(bad), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("the port of"))) << bad;
  }
}

}  // namespace
}  // namespace ev
