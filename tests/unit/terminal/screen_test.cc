#include "terminal/screen.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "terminal/terminal.h"

namespace ev::terminal {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

class ScreenTest : public ::testing::Test {
 protected:
  ScreenTest() {
    ::setenv("TERM", "xterm", 1);
    ::unsetenv("NO_COLOR");
    winsize size{.ws_row = 4, .ws_col = 10, .ws_xpixel = 0, .ws_ypixel = 0};
    EXPECT_EQ(::openpty(&master_, &fd_, nullptr, nullptr, &size), 0);
    ::fcntl(master_, F_SETFL, O_NONBLOCK);
  }
  ~ScreenTest() override {
    ::close(fd_);
    ::close(master_);
  }

  std::string Written() {
    std::string text(65536, '\0');
    const ssize_t size = ::read(master_, text.data(), text.size());
    text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return text;
  }

  // What one frame writes.
  std::string Draw(Screen& screen, std::vector<Line> lines) {
    const auto window = screen.Window();
    if (!window.has_value()) return "no window";
    screen.Draw(*window, std::move(lines));
    return Written();
  }

  int master_ = -1;
  int fd_ = -1;
};

TEST_F(ScreenTest, OnlyWhatDiffersIsWrittenAndAllOfItInAnotherWindow) {
  FdWriter writer(fd_);
  Screen screen({.fd = fd_}, writer);
  EXPECT_EQ(Draw(screen, {{"one"}}), "no window");
  screen.Enter();
  EXPECT_EQ(Written(), "\x1b[?1049h\x1b[m\x1b[2J\x1b[?25l");
  EXPECT_THAT(Draw(screen, {{"one"}, {"two", kRed}}),
              AllOf(HasSubstr("\x1b[1;1H\x1b[2Kone"), HasSubstr("\x1b[2;1H\x1b[2K\x1b[31mtwo\x1b[m")));
  EXPECT_THAT(Draw(screen, {{"one"}, {"two", kRed}}), IsEmpty());
  EXPECT_THAT(Draw(screen, {{"one"}, {"two", kGreen}}), AllOf(HasSubstr("\x1b[32mtwo"), Not(HasSubstr("one"))));
  EXPECT_THAT(Draw(screen, {{"one"}}), AllOf(HasSubstr("\x1b[2;1H\x1b[2K"), Not(HasSubstr("two"))));
  winsize size{.ws_row = 2, .ws_col = 10, .ws_xpixel = 0, .ws_ypixel = 0};
  ::ioctl(fd_, TIOCSWINSZ, &size);
  EXPECT_THAT(Draw(screen, {{"one"}, {"two"}, {"three"}}),
              AllOf(HasSubstr("\x1b[2J"), HasSubstr("one"), Not(HasSubstr("three"))));
}

TEST_F(ScreenTest, WhatIsCutIsMarked) {
  FdWriter writer(fd_);
  Screen screen({.fd = fd_}, writer);
  screen.Enter();
  EXPECT_THAT(Draw(screen, {{"0123456789"},
                            {"01234567890"},
                            {"\xc3\xb1"
                             "123456789    "}}),
              AllOf(HasSubstr("K0123456789\x1b"), HasSubstr("K012345678>\x1b"),
                    HasSubstr("K\xc3\xb1"
                              "123456789\x1b")));
}

TEST_F(ScreenTest, TheEndLeavesTheTerminalAsItWas) {
  FdWriter writer(fd_);
  {
    Screen screen({.fd = fd_}, writer);
    screen.Enter();
    Written();
  }
  EXPECT_EQ(Written(), "\x1b[m\x1b[r\x1b[?7h\x1b[?25h\x1b[?1049l");
  Screen never({.fd = fd_}, writer);
  never.Leave();
  EXPECT_THAT(Written(), IsEmpty());
}

TEST_F(ScreenTest, APromptKeepsTheLastLineAndTheCursor) {
  FdWriter writer(fd_);
  Screen screen({.fd = fd_, .has_prompt = true}, writer);
  screen.Enter();
  EXPECT_THAT(Written(), EndsWith("\x1b[1;3r\x1b[4;1H"));
  EXPECT_THAT(Draw(screen, {{"1"}, {"2"}, {"3"}, {"4"}}), AllOf(Not(HasSubstr("K4")), EndsWith("\x1b[4;1H")));
  EXPECT_THAT(Draw(screen, {{"5"}, {"2"}, {"3"}}), AllOf(StartsWith("\x1b"
                                                                    "7"),
                                                         EndsWith("\x1b"
                                                                  "8")));
}

// B182 B193
TEST_F(ScreenTest, ColoursAreForATerminalThatKnowsThemAndNotWithNoColor) {
  EXPECT_TRUE(WantsColor(fd_));
  int pipe_fds[2];
  ASSERT_EQ(::pipe(pipe_fds), 0);
  EXPECT_FALSE(WantsColor(pipe_fds[1]));
  EXPECT_FALSE(CanDraw(pipe_fds[1]));
  ::close(pipe_fds[0]);
  ::close(pipe_fds[1]);
  ::setenv("NO_COLOR", "", 1);
  EXPECT_TRUE(WantsColor(fd_));
  ::setenv("NO_COLOR", "1", 1);
  EXPECT_FALSE(WantsColor(fd_));
  EXPECT_TRUE(CanDraw(fd_));
  ::unsetenv("NO_COLOR");
  for (const char* term : {"dumb", ""}) {
    ::setenv("TERM", term, 1);
    EXPECT_FALSE(ObeysSequences());
    EXPECT_FALSE(WantsColor(fd_));
    EXPECT_FALSE(CanDraw(fd_));
  }
  EXPECT_EQ(Painted("text", kRed, true), "\x1b[31mtext\x1b[m");
  EXPECT_EQ(Painted("text", kRed, false), "text");
  EXPECT_EQ(Painted("text", kPlain, true), "text");
}

}  // namespace
}  // namespace ev::terminal
