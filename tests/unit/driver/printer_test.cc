#include "services/driver/adapters/printer.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <pty.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/clock.h"
#include "tests/support/eventually.h"

namespace ev::driver {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

absl::Duration Now() {
  return SystemClock().Now().monotonic;
}

// What can be read from `fd` now.
std::string ReadSome(int fd) {
  std::string text;
  std::array<char, 4096> chunk{};
  pollfd ready{.fd = fd, .events = POLLIN, .revents = 0};
  while (::poll(&ready, 1, 0) > 0 && (ready.revents & POLLIN) != 0) {
    const ssize_t size = ::read(fd, chunk.data(), chunk.size());
    if (size <= 0) break;
    text.append(chunk.data(), static_cast<std::size_t>(size));
  }
  return text;
}

class PipePrinterTest : public ::testing::Test {
 protected:
  PipePrinterTest() {
    EXPECT_EQ(::pipe(fds_.data()), 0);
    printer_ = std::make_unique<Printer>(Printer::Options{.fd = fds_[1]});
  }
  ~PipePrinterTest() override {
    printer_.reset();
    ::close(fds_[0]);
    ::close(fds_[1]);
  }
  std::string Finish() {
    printer_.reset();
    return ReadSome(fds_[0]);
  }

  std::array<int, 2> fds_{};
  std::unique_ptr<Printer> printer_;
};

TEST_F(PipePrinterTest, EveryLineIsWrittenBeforeItEnds) {
  printer_->Line("one");
  printer_->Line("two\nthree");
  EXPECT_EQ(Finish(), "one\ntwo\nthree\n");
}

TEST_F(PipePrinterTest, ControlCharactersOfOthersAreNotPassedOn) {
  printer_->Line("Calle \x1b[2J Mayor\r\a, Alicante \xc3\xb1 \xc2\x9b caf\xe9");
  EXPECT_EQ(Finish(), "Calle ?[2J Mayor??, Alicante \xc3\xb1 ? caf?\n");
}

TEST_F(PipePrinterTest, LiveLinesOfOneKeyComeOnceInTheInterval) {
  for (int i = 0; i < 5; ++i) printer_->Live("a", "first " + std::to_string(i));
  printer_->Live("b", "second");
  EXPECT_EQ(Finish(), "first 0\nsecond\n");
}

TEST_F(PipePrinterTest, AReaderWhoDoesNotReadHoldsUpNobodyForLong) {
  const std::string line(100, 'x');  // Ten times what a pipe holds, in all that may wait.
  const absl::Duration begin = Now();
  for (int i = 0; i < 20'000; ++i) printer_->Line(line);
  printer_.reset();
  EXPECT_LT(Now() - begin, absl::Seconds(20));
}

// B122
TEST_F(PipePrinterTest, WhatASlowReaderHasMissedIsSaidInItsPlace) {
  constexpr int kLines = 20'000;  // Ten times what a pipe holds, in all that may wait.
  for (int i = 0; i < kLines; ++i) printer_->Line(absl::StrCat(i, std::string(100, 'x')));
  int next = 0;
  int gaps = 0;
  std::string text;
  EXPECT_TRUE(Eventually(absl::Seconds(30), [&] {
    text += ReadSome(fds_[0]);
    const std::size_t whole = text.rfind('\n') + 1;
    for (const absl::string_view line : absl::StrSplit(text.substr(0, whole), '\n', absl::SkipEmpty())) {
      int number = 0;
      const bool is_gap = absl::StrContains(line, " lines are missing here");
      EXPECT_TRUE(
          absl::SimpleAtoi(is_gap ? line.substr(1, line.find(' ') - 1) : line.substr(0, line.find('x')), &number));
      EXPECT_EQ(is_gap ? next : number, next);
      next += is_gap ? number : 1;
      gaps += is_gap ? 1 : 0;
    }
    text.erase(0, whole);
    return next >= kLines;
  }));
  EXPECT_EQ(next, kLines);
  EXPECT_GT(gaps, 0);
}

TEST_F(PipePrinterTest, AReaderWhoHasGoneHoldsUpNobody) {
  std::signal(SIGPIPE, SIG_IGN);
  ::close(fds_[0]);
  printer_->Line("one");
  printer_->Line("two");
  printer_.reset();
  fds_[0] = ::open("/dev/null", O_RDONLY);
}

class TerminalPrinterTest : public ::testing::Test {
 protected:
  TerminalPrinterTest() {
    ::setenv("TERM", "xterm", 1);
    winsize size{.ws_row = 24, .ws_col = 40, .ws_xpixel = 0, .ws_ypixel = 0};
    EXPECT_EQ(::openpty(&master_, &slave_, nullptr, nullptr, &size), 0);
    printer_ = std::make_unique<Printer>(Printer::Options{.fd = slave_, .has_prompt = true});
  }
  ~TerminalPrinterTest() override {
    printer_.reset();
    ::close(master_);
    ::close(slave_);
  }
  // Until `text` was seen.
  bool Sees(const std::string& text) {
    return Eventually(absl::Seconds(10), [&] {
      seen_ += ReadSome(master_);
      return seen_.find(text) != std::string::npos;
    });
  }

  int master_ = -1;
  int slave_ = -1;
  std::unique_ptr<Printer> printer_;
  std::string seen_;
};

TEST_F(TerminalPrinterTest, LinesScrollAboveTheLiveLineAndThePrompt) {
  EXPECT_TRUE(printer_->has_screen());
  EXPECT_TRUE(Sees("\x1b[1;22r\x1b[24;1H")) << "the region above, then the prompt's line";
  printer_->Line("cp_001: granted");
  EXPECT_TRUE(
      Sees("\x1b"
           "7\x1b[22;1H\r\n\rcp_001: granted"));
  EXPECT_TRUE(Sees("\x1b[23;1H\x1b[2K"));
  printer_->Live("a", "cp_001: 1.000 kWh");
  EXPECT_TRUE(
      Sees("\x1b[23;1H\x1b[2K\x1b[7mcp_001: 1.000 kWh\x1b[m\x1b"
           "8"));
}

TEST_F(TerminalPrinterTest, ALiveLineIsCutAtTheEdgeAndGoesWithItsCharge) {
  printer_->Live("a", std::string(39, 'x') + "\xc3\xb1yz");
  EXPECT_TRUE(Sees("\x1b[7m" + std::string(39, 'x') + "\x1b[m"));
  seen_.clear();
  printer_->Live("a", "");
  EXPECT_TRUE(Sees("\x1b[7m\x1b[m"));
}

TEST_F(TerminalPrinterTest, AResizedWindowGetsANewRegion) {
  EXPECT_TRUE(Sees("\x1b[1;22r"));
  winsize size{.ws_row = 30, .ws_col = 40, .ws_xpixel = 0, .ws_ypixel = 0};
  ASSERT_EQ(::ioctl(slave_, TIOCSWINSZ, &size), 0);
  printer_->Line("x");
  EXPECT_TRUE(Sees("\x1b[1;28r"));
}

TEST_F(TerminalPrinterTest, TheTerminalIsGivenBack) {
  printer_->Line("last words");
  printer_.reset();
  EXPECT_TRUE(Sees("last words"));
  EXPECT_TRUE(Sees("\x1b[r\x1b[24;1H\x1b[2K"));
}

TEST(PrinterTest, ASmallTerminalGetsPlainLines) {
  winsize size{.ws_row = 5, .ws_col = 40, .ws_xpixel = 0, .ws_ypixel = 0};
  int master = -1;
  int slave = -1;
  ASSERT_EQ(::openpty(&master, &slave, nullptr, nullptr, &size), 0);
  {
    Printer printer({.fd = slave, .has_prompt = true});
    EXPECT_FALSE(printer.has_screen());
    printer.Line("plain");
  }
  EXPECT_EQ(ReadSome(master), "plain\r\n");
  ::close(master);
  ::close(slave);
}

}  // namespace
}  // namespace ev::driver
