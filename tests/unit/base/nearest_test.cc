#include "base/nearest.h"

#include <gtest/gtest.h>

namespace ev {
namespace {

TEST(NearestTest, ASlipOfTheFingersIsRecognisedAndAnotherWordIsNot) {
  const std::vector<std::string> known = {"points", "sessions", "tickets", "get"};
  EXPECT_EQ(DidYouMean("pionts", known), "; did you mean points?");
  EXPECT_EQ(DidYouMean("point", known), "; did you mean points?");
  EXPECT_EQ(DidYouMean("tikets", known), "; did you mean tickets?");
  EXPECT_EQ(DidYouMean("sesions", known), "; did you mean sessions?");
  EXPECT_EQ(DidYouMean("gte", known), "; did you mean get?");
  for (const char* other : {"drivers", "", "x", "put", "tip"}) EXPECT_EQ(DidYouMean(other, known), "") << other;
  EXPECT_EQ(DidYouMean(std::string(5000, 'p'), known), "");
}

}  // namespace
}  // namespace ev
