#include "rpc/channel.h"

#include <gmock/gmock.h>

#include "tests/support/status_matchers.h"

namespace ev::rpc {
namespace {

using ::testing::HasSubstr;

// B171
TEST(ChannelTest, ATargetIsAnAddressOrANameOfGrpc) {
  for (const char* good : {"localhost:50051", "[::1]:50051", "dns:///central.ev.svc:50051", "dns:central:50051",
                           "dns://10.0.0.2/central:50051", "unix:///run/central", "ipv4:///10.0.0.1:1", "c:1"}) {
    EXPECT_THAT(CheckTarget(good), IsOk()) << good;
  }
  for (const char* bad : {"", "localhost", "localhost:", "localhost:x", "http://localhost:50051", "central:50051/",
                          "dns:///central", "dns:///", "dns://central:50051", "50051", "ipv4:10.0.0.1:1"}) {
    EXPECT_THAT(CheckTarget(bad), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("dns:///central:50051")))
        << bad;
  }
}

}  // namespace
}  // namespace ev::rpc
