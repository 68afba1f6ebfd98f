#include "store/page_token.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "store/stored_time.h"
#include "tests/support/status_matchers.h"

namespace ev::store {
namespace {

TEST(PageTokenTest, ATokenReadsBackAsTheKeyItWasMadeFrom) {
  constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  for (const std::int64_t nanos :
       {kMin, std::int64_t{-1}, std::int64_t{0}, std::int64_t{1'700'000'000'123'456'789}, kMax}) {
    for (const std::string& id :
         {std::string(), std::string("0123456789abcdef0123456789abcdef-a"), std::string(1, '\0')}) {
      const PageKey key{nanos, id};
      const absl::StatusOr<PageKey> read = ParsePageToken(MakePageToken(key, "scope"), "scope");
      EV_ASSERT_OK(read);
      EXPECT_EQ(*read, key);
    }
  }
}

TEST(PageTokenTest, ATokenIsTheSameOnEveryMachine) {
  EXPECT_EQ(MakePageToken({1, "a"}, "scope"), MakePageToken({1, "a"}, "scope"));
  EXPECT_EQ(MakePageToken({1, "a"}, "scope").substr(16), "000000000000000161");
}

TEST(PageTokenTest, AChangedDigitIsRefused) {
  const std::string token = MakePageToken({1'700'000'000'000'000'000, "session"}, "scope");
  for (std::size_t i = 0; i < token.size(); ++i) {
    std::string changed = token;
    changed[i] = changed[i] == '0' ? '1' : '0';
    EXPECT_THAT(ParsePageToken(changed, "scope"), StatusIs(absl::StatusCode::kInvalidArgument)) << i;
  }
}

TEST(PageTokenTest, GarbageIsRefused) {
  for (const char* text : {"x", "zz", "0", "00", "last page", "0123456789abcdef0123456789abcdefg"}) {
    EXPECT_THAT(ParsePageToken(text, "scope"), StatusIs(absl::StatusCode::kInvalidArgument)) << text;
  }
}

TEST(PageTokenTest, ATokenOfAnotherFilterOrStoreIsRefused) {
  const SessionFilter mine{.driver = DriverId("d1"), .cp = {}, .states = {}, .page_size = 10, .page_token = ""};
  SessionFilter other = mine;
  other.driver = DriverId("d2");
  const std::string token = MakePageToken({1, "a"}, PageScope("store", mine));
  EV_EXPECT_OK(ParsePageToken(token, PageScope("store", mine)));
  EXPECT_FALSE(ParsePageToken(token, PageScope("store", other)).ok());
  EXPECT_FALSE(ParsePageToken(token, PageScope("other", mine)).ok());
  EXPECT_FALSE(ParsePageToken(token, PageScope("store", TicketFilter{})).ok());
}

TEST(StoredTimeTest, ATimeReadsBackToTheNanosecond) {
  for (const absl::Time time : {absl::InfinitePast(), absl::InfiniteFuture(), absl::UnixEpoch(),
                                absl::FromUnixNanos(1'700'000'000'123'456'789), absl::FromUnixNanos(-1)}) {
    EXPECT_EQ(FromStoredNanos(ToStoredNanos(time)), time);
  }
}

TEST(StoredTimeTest, ATimeThatDoesNotFitStaysFinite) {
  for (const absl::Time time : {absl::FromUnixSeconds(-100'000'000'000), absl::FromUnixSeconds(253'402'300'799)}) {
    const absl::Time read = FromStoredNanos(ToStoredNanos(time));
    EXPECT_NE(read, absl::InfinitePast());
    EXPECT_NE(read, absl::InfiniteFuture());
    EXPECT_EQ(read < absl::UnixEpoch(), time < absl::UnixEpoch());
  }
}

}  // namespace
}  // namespace ev::store
