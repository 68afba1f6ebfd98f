#include "base/text.h"

#include <gtest/gtest.h>

#include <string>

namespace ev {
namespace {

using namespace std::string_literals;  // NOLINT(google-build-using-namespace): "\0"s.

// Without the literal's `\x`, which takes every hexadecimal digit that follows.
const std::string kEnye = "\xc3\xb1";
const std::string kEuro = "\xe2\x82\xac";
const std::string kPlug = "\xf0\x9f\x94\x8c";
const std::string kC1 = "\xc2\x9b";

TEST(TextTest, WellFormedTextStaysAsItIs) {
  for (const std::string& text : {""s, "cable damaged"s, "a" + kEnye + kEuro + kPlug, "\xc2\xa0"s, "\xed\x9f\xbf"s,
                                  "\xef\xbf\xbd"s, "\xf4\x8f\xbf\xbf"s}) {
    EXPECT_EQ(FindUnprintable(text), std::string::npos) << text;
    EXPECT_EQ(Printable(text), text);
  }
}

TEST(TextTest, AControlCharacterOfAnyKindIsShownAsOne) {
  EXPECT_EQ(Printable("a\x1b[2Jb\tc\r\n\a\x7f"s + kC1 + "\0"s), "a?[2Jb?c??????"s);
  EXPECT_EQ(Printable("a\tb", ' '), "a b");
  EXPECT_EQ(FindUnprintable("ab\x1b"), 2u);
  EXPECT_EQ(FindUnprintable(kEuro + kC1), 3u);
}

TEST(TextTest, EachByteThatIsNoUtf8IsShownAsOne) {
  struct Case {
    std::string text;
    std::string shown;
  };
  for (const Case& c : {Case{"\xff", "?"}, Case{"caf\xe9", "caf?"}, Case{"\x80z", "?z"}, Case{"\xc0\xaf", "??"},
                        Case{"\xe0\x80\xaf", "???"}, Case{"\xed\xa0\x80", "???"}, Case{"\xf4\x90\x80\x80", "????"},
                        Case{"\xf5\x80\x80\x80", "????"}, Case{"\xe2\x82", "??"}, Case{"\xe2\x82z", "??z"},
                        Case{"\xf0\x80\x80\x80", "????"}, Case{"\xc3", "?"}}) {
    EXPECT_EQ(Printable(c.text), c.shown);
    EXPECT_EQ(FindUnprintable(c.text), c.shown.find('?')) << c.shown;
  }
}

TEST(TextTest, AControlCharacterThatJsonAllowsIsEscapedAsTheOthersAre) {
  EXPECT_EQ(EscapeJson("\"a\\u001b" + kC1 + "\x7f" + kEuro + kPlug + "\xc2\xa0\""),
            "\"a\\u001b\\u009b\\u007f" + kEuro + kPlug + "\xc2\xa0\"");
  EXPECT_EQ(EscapeJson(""), "");
}

TEST(TextTest, ACutNeverSplitsACharacter) {
  const std::string text = "a" + kEuro + kPlug;
  EXPECT_EQ(CutUtf8(text, 100), text);
  EXPECT_EQ(CutUtf8(text, 8), text);
  for (std::size_t bytes : {4, 5, 6, 7}) EXPECT_EQ(CutUtf8(text, bytes), "a" + kEuro) << bytes;
  for (std::size_t bytes : {1, 2, 3}) EXPECT_EQ(CutUtf8(text, bytes), "a") << bytes;
  EXPECT_EQ(CutUtf8(text, 0), "");
}

TEST(TextTest, TheLengthOfACharacterIsThatOfItsEncoding) {
  EXPECT_EQ(CharacterLength(""), 0u);
  EXPECT_EQ(CharacterLength("\r"), 1u);
  EXPECT_EQ(CharacterLength(kEnye + "x"), 2u);
  EXPECT_EQ(CharacterLength(kEuro), 3u);
  EXPECT_EQ(CharacterLength(kPlug), 4u);
  EXPECT_EQ(CharacterLength("\xe2\x82"), 0u);
}

TEST(TextTest, AnExcerptIsPrintableAndSaysThatItIsOne) {
  EXPECT_EQ(Excerpt("abc", 3), "abc");
  EXPECT_EQ(Excerpt("a\033cd", 3), "a?c...");
  EXPECT_EQ(Excerpt("a\u00e9", 2), "a...");
}

}  // namespace
}  // namespace ev
