#include "cli/evctl/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"

namespace ev::evctl {
namespace {

using ::testing::HasSubstr;

// B193
TEST(TableTest, CellsStandBelowTheirNamesAndNoLineEndsInBlanks) {
  EXPECT_EQ(TableText({"POINT", "STATE", "WHY"},
                      {{{"cp_1", ""}, {"AVAILABLE", "32"}, {"", ""}},
                       {{"caf\xc3\xa9_12", ""}, {"STOPPED", ""}, {"storm", ""}}},
                      false),
            "POINT    STATE      WHY\n"
            "cp_1     AVAILABLE\n"
            "caf\xc3\xa9_12  STOPPED    storm\n");
}

// B193
TEST(TableTest, ColoursAndControlCharactersReachNoWidth) {
  EXPECT_EQ(TableText({"A", "B"}, {{{"x\x1b[2J", "31"}, {"y", ""}}}, true), "A      B\n\x1b[31mx?[2J\x1b[m  y\n");
  EXPECT_EQ(TableText({"A", "B"}, {{{"x", "31"}, {"y", ""}}}, false), "A  B\nx  y\n");
}

// B193
TEST(TableTest, CsvQuotesWhatWouldDivideACellAndDisarmsFormulas) {
  EXPECT_EQ(CsvText({"a", "b"}, {{{"x,y", "31"}, {"say \"hi\"", ""}},
                                 {{"two\nlines", ""}, {"=HYPERLINK(1)", ""}},
                                 {{"-1.500000", ""}, {"@sum", ""}}}),
            "a,b\n"
            "\"x,y\",\"say \"\"hi\"\"\"\n"
            "\"two\nlines\",'=HYPERLINK(1)\n"
            "-1.500000,'@sum\n");
}

TEST(TableTest, AnUnknownOutputNamesTheKnownOnes) {
  EV_ASSERT_OK(ParseOutput("wide"));
  EXPECT_THAT(ParseOutput("jsno").status().ToString(),
              HasSubstr("table, wide, json or csv, not \"jsno\"; did you mean json?"));
}

}  // namespace
}  // namespace ev::evctl
