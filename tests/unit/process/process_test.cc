#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <thread>

#include "absl/strings/str_cat.h"
#include "process/data_dir.h"
#include "process/listen.h"
#include "process/stop_signal.h"
#include "process/version.h"
#include "tests/support/logged_lines.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ev::process {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

TEST(StopSignalTest, ASignalToTheProcessIsTakenByItsName) {
  StopSignal stop;
  std::jthread other([](const std::stop_token& token) {  // Began later, so it does not die of the signal either.
    while (!token.stop_requested()) std::this_thread::yield();
  });
  ::kill(::getpid(), SIGTERM);
  EXPECT_EQ(stop.WaitFor(absl::Seconds(10)), "SIGTERM");
}

TEST(StopSignalTest, AHangUpAndAnInterruptStopToo) {
  for (const auto& [signal, name] : {std::pair(SIGHUP, "SIGHUP"), std::pair(SIGINT, "SIGINT")}) {
    StopSignal stop;
    ::kill(::getpid(), signal);
    EXPECT_EQ(stop.WaitFor(absl::Seconds(10)), name);
  }
}

TEST(StopSignalTest, TheFirstRequestWakesTheOneWhoWaits) {
  StopSignal stop;
  std::jthread console([&] {
    stop.RequestStop("quit at the prompt");
    stop.RequestStop("too late");
  });
  EXPECT_EQ(stop.Wait(), "quit at the prompt");
  console.join();
  EXPECT_EQ(stop.Wait(), "quit at the prompt");
}

TEST(StopSignalTest, NothingHappensWithoutASignal) {
  StopSignal stop;
  EXPECT_EQ(stop.WaitFor(absl::Milliseconds(1)), std::nullopt);
}

TEST(StopSignalTest, AWriteToAClosedPipeIsAnErrorNotADeath) {
  StopSignal stop;
  int fds[2];
  ASSERT_EQ(::pipe(fds), 0);
  ::close(fds[0]);
  EXPECT_EQ(::write(fds[1], "x", 1), -1);
  ::close(fds[1]);
}

TEST(StopSignalDeathTest, ASecondInterruptEndsTheProcessAtOnce) {
  EXPECT_EXIT(
      {
        StopSignal stop;
        ::kill(::getpid(), SIGINT);
        stop.Wait();
        ::kill(::getpid(), SIGINT);
        ::pause();
      },
      testing::KilledBySignal(SIGINT), "");
}

TEST(DataDirTest, ASecondHolderIsRefusedAndToldWhoHoldsIt) {
  TempDir temp;
  auto first = DataDir::Open(temp.File("a/b/central"));
  EV_ASSERT_OK(first);
  EXPECT_EQ((*first)->File("x.db"), temp.File("a/b/central/x.db"));
  const auto second = DataDir::Open(temp.File("a/b/central/"));
  EXPECT_THAT(second, StatusIs(absl::StatusCode::kFailedPrecondition,
                               AllOf(HasSubstr(temp.File("a/b/central")), HasSubstr(absl::StrCat(::getpid())))));
  first->reset();
  EV_EXPECT_OK(DataDir::Open(temp.File("a/b/central")));
}

TEST(DataDirTest, TheLockOfAKilledProcessIsFree) {
  TempDir temp;
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    auto held = DataDir::Open(temp.path());
    static_cast<void>(!::write(ready[1], held.ok() ? "1" : "0", 1));
    ::pause();
    ::_exit(0);
  }
  char ok = 0;
  ASSERT_EQ(::read(ready[0], &ok, 1), 1);
  EXPECT_EQ(ok, '1');
  EXPECT_THAT(DataDir::Open(temp.path()),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(absl::StrCat(child))));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EV_EXPECT_OK(DataDir::Open(temp.path()));
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST(DataDirTest, WhatIsMadeBelongsToTheUserAlone) {
  TempDir temp;
  EV_ASSERT_OK(DataDir::Open(temp.File("x/y")));
  for (const char* name : {"x", "x/y"}) {
    struct stat info;
    ASSERT_EQ(::stat(temp.File(name).c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0700u) << name;
  }
}

TEST(DataDirTest, AFileInTheWayIsNamed) {
  TempDir temp;
  WriteFile(temp.File("file"), "x");
  EXPECT_THAT(DataDir::Open(temp.File("file/central")),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(temp.File("file"))));
}

TEST(DataDirTest, TheDefaultFollowsTheStateDirectoryOfTheUser) {
  const std::string home = std::getenv("HOME") == nullptr ? "" : std::getenv("HOME");
  ::setenv("HOME", "/home/ana", 1);
  ::setenv("XDG_STATE_HOME", "/state", 1);
  EXPECT_EQ(*DefaultDataRoot(), "/state/evcharge");
  ::setenv("XDG_STATE_HOME", "relative", 1);
  EXPECT_EQ(*DefaultDataRoot(), "/home/ana/.local/state/evcharge");
  ::unsetenv("XDG_STATE_HOME");
  EXPECT_EQ(*DefaultDataRoot(), "/home/ana/.local/state/evcharge");
  ::unsetenv("HOME");
  EXPECT_THAT(DefaultDataRoot(), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("HOME")));
  if (!home.empty()) ::setenv("HOME", home.c_str(), 1);
}

// B176
TEST(ListenTest, OnlyADefaultPortThatIsTakenMoves) {
  const auto taken_but_for_zero = [](int port) -> absl::StatusOr<int> {
    if (port == 0) return 40000;
    return port == 1 ? absl::UnavailableError("taken") : absl::StatusOr<int>(absl::InternalError("broken"));
  };
  const LoggedLines logged;
  EXPECT_EQ(*ListenOrMove(1, true, taken_but_for_zero), 40000);
  EXPECT_THAT(logged.Get(), ElementsAre(HasSubstr("warn default port is taken, any free one is used port=1")));
  EXPECT_THAT(ListenOrMove(1, false, taken_but_for_zero), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(ListenOrMove(2, true, taken_but_for_zero), StatusIs(absl::StatusCode::kInternal));
}

// B177
TEST(ListenTest, LoopbackIsWhatOnlyThisMachineReaches) {
  for (const char* address : {"127.0.0.1", "127.8.9.1", "::1", "localhost", "LOCALHOST"}) {
    EXPECT_TRUE(IsLoopback(address)) << address;
  }
  for (const char* address : {"0.0.0.0", "::", "10.0.0.1", "example.org", "", "127.0.0.1.example.org", "128.0.0.1"}) {
    EXPECT_FALSE(IsLoopback(address)) << address;
  }
  EXPECT_EQ(HostPort("::1", 5), "[::1]:5");
  EXPECT_EQ(HostPort("127.0.0.1", 5), "127.0.0.1:5");
}

TEST(VersionTest, IsThreeNumbersAndThePlaceInTheHistory) {
  EXPECT_THAT(std::string(Version()), MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+(\\+[0-9A-Za-z.-]+)?"));
}

}  // namespace
}  // namespace ev::process
