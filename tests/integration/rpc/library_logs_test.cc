#include "rpc/library_logs.h"

#include <gmock/gmock.h>
#include <grpc/support/log.h>

#include "evcharging/central/v1/session.pb.h"
#include "log/log.h"
#include "tests/support/logged_lines.h"

namespace ev::rpc {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(LibraryLogsTest, WhatLibrariesComplainAboutIsARecordOfOursForDebugging) {
  SendLibraryLogsToOurs();
  gpr_set_log_verbosity(GPR_LOG_SEVERITY_ERROR);
  const LoggedLines logged;
  evcharging::central::v1::Session session;
  const char not_utf8[] = "\x0a\x01\xff";
  EXPECT_FALSE(session.ParseFromString(not_utf8));
  gpr_log(GPR_ERROR, "refused");
  EXPECT_THAT(logged.Get(), ElementsAre());
  log::Init({.level = log::Level::kDebug});
  EXPECT_FALSE(session.ParseFromString(not_utf8));
  gpr_log(GPR_ERROR, "refused");
  log::Init({});
  EXPECT_THAT(logged.Get(), ElementsAre(AllOf(HasSubstr("debug protobuf text="), HasSubstr("invalid UTF-8")),
                                        HasSubstr("debug grpc text=refused")));
}

}  // namespace
}  // namespace ev::rpc
