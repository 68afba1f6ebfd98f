#ifndef EV_TESTS_SUPPORT_STATUS_MATCHERS_H_
#define EV_TESTS_SUPPORT_STATUS_MATCHERS_H_

#include <gmock/gmock.h>

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace ev {

inline const absl::Status& StatusOf(const absl::Status& status) {
  return status;
}
template <typename T>
const absl::Status& StatusOf(const absl::StatusOr<T>& result) {
  return result.status();
}

// EXPECT_THAT(status_or_result, IsOk());
MATCHER(IsOk, negation ? "is an error" : "is OK") {
  *result_listener << StatusOf(arg);
  return StatusOf(arg).ok();
}

// EXPECT_THAT(result, StatusIs(absl::StatusCode::kNotFound));
MATCHER_P(StatusIs, code, absl::StatusCodeToString(code)) {
  *result_listener << StatusOf(arg);
  return StatusOf(arg).code() == code;
}

// EXPECT_THAT(result, StatusIs(absl::StatusCode::kNotFound, HasSubstr("cp_001")));
MATCHER_P2(StatusIs, code, message, absl::StatusCodeToString(code) + " with the message asked for") {
  *result_listener << StatusOf(arg);
  return StatusOf(arg).code() == code &&
         ::testing::ExplainMatchResult(message, std::string(StatusOf(arg).message()), result_listener);
}

}  // namespace ev

#define EV_ASSERT_OK(expression) ASSERT_THAT((expression), ::ev::IsOk())
#define EV_EXPECT_OK(expression) EXPECT_THAT((expression), ::ev::IsOk())

#endif  // EV_TESTS_SUPPORT_STATUS_MATCHERS_H_
