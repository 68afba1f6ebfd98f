#include "log/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <nlohmann/json.hpp>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/strong_id.h"
#include "tests/support/eventually.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ev::log {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::Not;
using CpId = StrongId<struct CpTag>;
using Epoch = StrongNumber<struct EpochTag>;

class LogTest : public testing::Test {
 protected:
  ~LogTest() override {
    RedirectToStderr();
    Init({});
  }

  std::string Stderr(const Options& options, const std::function<void()>& write) {
    testing::internal::CaptureStderr();
    Init(options);
    write();
    return testing::internal::GetCapturedStderr();
  }
};

// B178
TEST_F(LogTest, ATextLineHoldsTimeLevelMessageAndFields) {
  const std::string line = Stderr({}, [] {
    Info("link accepted", {{"cp_id", CpId("cp_001")},
                           {"epoch", Epoch(7)},
                           {"after", absl::Milliseconds(250)},
                           {"first", true},
                           {"ratio", 0.5},
                           {"why", "no space"},
                           {"status", absl::NotFoundError("gone")}});
  });
  EXPECT_THAT(line, MatchesRegex("20..-..-..T..:..:..\\....Z info +link accepted .*\n"));
  EXPECT_THAT(line, HasSubstr("cp_id=cp_001 epoch=7 after=250ms first=true ratio=0.5 why=\"no space\" "
                              "status=\"NOT_FOUND: gone\"\n"));
}

TEST_F(LogTest, AValueCannotForgeALineOrAField) {
  const std::string line = Stderr({}, [] {
    Warn("odd", {{"text", "a\nb=c \x1b[31m\"x"}, {"c1", "\xc2\x9b\xff"}, {"whose", "Engine's \\'"}, {"empty", ""}});
  });
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
  EXPECT_THAT(line, EndsWith("odd text=\"a\\nb=c \\033[31m\\\"x\" c1=\"??\" whose=\"Engine's \\\\'\" empty=\"\"\n"));
}

TEST_F(LogTest, ANoteIsALineOfItsLevelWithItsFieldsBehindWhatElseItIsAbout) {
  const Note note{
      .level = NoteLevel::kWarn, .message = "charging ended", .fields = {{"energy_mwh", 7}, {"end_reason", "FAULT"}}};
  auto record = nlohmann::json::parse(Stderr({.format = Format::kJson, .level = Level::kWarn}, [&] {
    Write({.message = "below the level"});
    Write(note, {{"cp_id", "cp_001"}});
  }));
  EXPECT_EQ(record["level"], "warn");
  EXPECT_EQ(record["message"], "charging ended");
  EXPECT_EQ(record["energy_mwh"], 7);
  EXPECT_EQ(record["end_reason"], "FAULT");
  EXPECT_EQ(record["cp_id"], "cp_001");
  EXPECT_THAT(Stderr({},
                     [&] {
                       Write(note, {{"cp_id", "cp_001"}});
                     }),
              EndsWith("warning charging ended cp_id=cp_001 energy_mwh=7 end_reason=FAULT\n"));
}

// B178
TEST_F(LogTest, AJsonLineIsOneObjectWithTypedFields) {
  const std::string line = Stderr({.service = "ev-central", .format = Format::kJson}, [] {
    Error("disk full", {{"free_bytes", 0}, {"path", "/x\xff\n"}, {"ok", false}, {"message", "not this"}});
  });
  const auto record = nlohmann::json::parse(line);
  EXPECT_EQ(record["level"], "error");
  EXPECT_EQ(record["service"], "ev-central");
  EXPECT_EQ(record["message"], "disk full");
  EXPECT_EQ(record["free_bytes"], 0);
  EXPECT_EQ(record["ok"], false);
  EXPECT_EQ(record["path"], "/x\xef\xbf\xbd\n");
  EXPECT_THAT(record["time"].get<std::string>(), EndsWith("Z"));
}

TEST_F(LogTest, AJsonLineHoldsNoControlCharacter) {
  const std::string line = Stderr({.format = Format::kJson}, [] {
    Info("odd\xc2\x85", {{"text", "\x1b[31m\x7f\xc2\x9b\xc3\xa9"}});
  });
  EXPECT_THAT(line, HasSubstr("odd\\u0085"));
  EXPECT_THAT(line, HasSubstr("\\u001b[31m\\u007f\\u009b\xc3\xa9"));
  const auto record = nlohmann::json::parse(line);
  EXPECT_EQ(record["text"], "\x1b[31m\x7f\xc2\x9b\xc3\xa9");
}

// B210
TEST_F(LogTest, TheLevelChangesAtRunTimeAndSaysSoWhateverItIs) {
  const std::string text = Stderr({.level = Level::kWarn}, [] {
    Info("hidden");
    ChangeLevel(Level::kDebug, std::nullopt, "ann");
    Debug("shown");
    ChangeLevel(Level::kError, std::nullopt, "bob");
    EXPECT_FALSE(CurrentLevel().left.has_value());
  });
  EXPECT_THAT(text, HasSubstr("shown"));
  EXPECT_THAT(text, Not(HasSubstr("hidden")));
  EXPECT_THAT(text, HasSubstr("log level changed from=warn to=debug by=ann"));
  EXPECT_THAT(text, HasSubstr("log level changed from=debug to=error by=bob"));
}

// B210
TEST_F(LogTest, ALevelThatWasSetForAWhileFallsBackToTheOneThatWasSetForGood) {
  const std::string text = Stderr({.level = Level::kError}, [] {
    ChangeLevel(Level::kWarn, std::nullopt, "ann");
    ChangeLevel(Level::kInfo, absl::Hours(1), "ann");
    ChangeLevel(Level::kDebug, absl::Milliseconds(20), "ann");
    EXPECT_EQ(CurrentLevel().after, Level::kWarn);
    EXPECT_TRUE(Eventually(absl::Seconds(10), [] { return !IsEnabled(Level::kDebug); }));
    EXPECT_FALSE(IsEnabled(Level::kInfo));
    EXPECT_TRUE(IsEnabled(Level::kWarn));
    EXPECT_EQ(CurrentLevel().level, Level::kWarn);
    EXPECT_FALSE(CurrentLevel().left.has_value());
  });
  EXPECT_THAT(text, HasSubstr("from=info to=debug by=ann for=20ms"));
  EXPECT_THAT(text, HasSubstr("from=debug to=warn by=\"the end of its time\""));
}

// B210
TEST_F(LogTest, ALevelThatIsSetForGoodEndsOneThatWasSetForAWhile) {
  Stderr({}, [] {
    ChangeLevel(Level::kDebug, absl::Hours(1), "ann");
    EXPECT_GT(CurrentLevel().left.value_or(absl::ZeroDuration()), absl::Minutes(59));
    ChangeLevel(Level::kError, std::nullopt, "ann");
    EXPECT_EQ(CurrentLevel().level, Level::kError);
    EXPECT_EQ(CurrentLevel().after, Level::kError);
    EXPECT_FALSE(CurrentLevel().left.has_value());
  });
}

TEST_F(LogTest, NothingIsColouredOffATerminal) {
  EXPECT_THAT(Stderr({}, [] { Error("plain"); }), Not(HasSubstr("\x1b")));
}

// What one record looks like on a terminal.
std::string OnATerminal() {
  int master = -1;
  int slave = -1;
  EXPECT_EQ(::openpty(&master, &slave, nullptr, nullptr, nullptr), 0);
  const int saved = ::dup(2);
  ::dup2(slave, 2);
  ::setenv("TERM", "xterm", 1);
  Init({});
  Error("seen");
  ::dup2(saved, 2);
  // A read may end inside of the line: a terminal hands over what has come so far.
  std::string text;
  char some[1024];
  while (!text.ends_with('\n')) {
    const ssize_t size = ::read(master, some, sizeof(some));
    if (size <= 0) break;
    text.append(some, static_cast<std::size_t>(size));
  }
  for (int fd : {master, slave, saved}) ::close(fd);
  return text;
}

TEST_F(LogTest, TheLevelIsColouredOnATerminalUnlessNoColorIsSet) {
  ::unsetenv("NO_COLOR");
  EXPECT_THAT(OnATerminal(), HasSubstr("\x1b["));
  ::setenv("NO_COLOR", "1", 1);
  EXPECT_THAT(OnATerminal(), AllOf(HasSubstr("seen"), Not(HasSubstr("\x1b["))));
  ::unsetenv("NO_COLOR");
}

// B139
TEST_F(LogTest, APromptThatIsRedrawnAllTheTimeIsNeverInsideOfARecord) {
  constexpr int kRecords = 2000;
  int master = -1;
  int slave = -1;
  ASSERT_EQ(::openpty(&master, &slave, nullptr, nullptr, nullptr), 0);
  std::string text;
  std::thread screen([&] {
    char some[4096];
    for (ssize_t size; !text.ends_with("end") && (size = ::read(master, some, sizeof(some))) > 0;) {
      text.append(some, static_cast<std::size_t>(size));
    }
  });
  const int saved = ::dup(2);
  ::dup2(slave, 2);
  Init({});
  ShareTerminal([] {});
  std::jthread prompt([slave](const std::stop_token& stop) {
    while (!stop.stop_requested()) EXPECT_EQ(::write(slave, "\r\x1b[Kprompt> ", 12), 12);
  });
  for (int i = 0; i < kRecords; ++i) Error("seen", {{"number", i}});
  prompt = {};
  ShareTerminal(nullptr);
  ::dup2(saved, 2);
  EXPECT_EQ(::write(slave, "end", 3), 3);
  screen.join();
  for (int fd : {master, slave, saved}) ::close(fd);

  const std::vector<std::string> lines = absl::StrSplit(text, "\r\n");
  ASSERT_EQ(lines.size(), kRecords + 1);
  for (int i = 0; i < kRecords; ++i) {
    const std::string shown = lines[i].substr(lines[i].rfind("\x1b[K") + 3);
    ASSERT_THAT(shown, MatchesRegex(absl::StrCat("20.*Z .*error.* seen .*number=", i)));
  }
}

TEST_F(LogTest, ATraceScopeAddsItsIdOnItsThreadOnly) {
  const std::string a(32, 'a');
  const std::string b(32, 'b');
  const std::string text = Stderr({}, [&] {
    const TraceScope outer(TraceOfId(a));
    {
      const TraceScope inner(TraceOfId(b));
      Info("one");
    }
    {
      const TraceScope none({});
      Info("of none");
    }
    Info("two");
    Write({.message = "note", .fields = {}});
    Write({.message = "its own", .fields = {}, .trace = TraceOfId(b)});
    std::jthread([] { Info("three"); }).join();
  });
  EXPECT_THAT(text, HasSubstr("one trace_id=" + b + "\n"));
  EXPECT_THAT(text, HasSubstr("of none\n"));
  EXPECT_THAT(text, HasSubstr("two trace_id=" + a + "\n"));
  EXPECT_THAT(text, HasSubstr("note trace_id=" + a + "\n"));
  EXPECT_THAT(text, HasSubstr("its own trace_id=" + b + "\n"));
  EXPECT_THAT(text, HasSubstr("three\n"));
}

TEST_F(LogTest, RedirectedRecordsGoToTheFileAndTheLastLinesAreKept) {
  TempDir dir;
  const std::string text = Stderr({}, [&] {
    EV_ASSERT_OK(RedirectToFile(dir.File("log/central.log")));
    for (int i = 0; i < 300; ++i) Info("line", {{"n", i}});
    EXPECT_THAT(LastLines(2), ElementsAre(EndsWith("info line n=298"), EndsWith("info line n=299")));
    EXPECT_EQ(LastLines(1000).size(), 200u);
    EV_ASSERT_OK(RedirectToFile(dir.File("log/next.log")));
    EXPECT_THAT(LastLines(1000), IsEmpty());
    RedirectToStderr();
    Info("back");
  });
  EXPECT_THAT(ReadFile(dir.File("log/central.log")), HasSubstr("line n=0\n"));
  EXPECT_THAT(text, Not(HasSubstr("line n=")));
  EXPECT_THAT(text, HasSubstr("back"));
}

TEST_F(LogTest, AFileThatCannotBeOpenedLeavesStderr) {
  const std::string text = Stderr({}, [] {
    EXPECT_THAT(RedirectToFile("/dev/null/no/central.log"), StatusIs(absl::StatusCode::kUnavailable));
    Info("still here");
  });
  EXPECT_THAT(text, HasSubstr("still here"));
}

TEST_F(LogTest, ThreadsDoNotMixTheirLines) {
  const std::string text = Stderr({}, [] {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([t] {
        for (int i = 0; i < 50; ++i) Info("work", {{"thread", t}, {"filler", std::string(100, 'x')}});
      });
    }
    for (int i = 0; i < 20; ++i) ChangeLevel(i % 2 == 0 ? Level::kDebug : Level::kInfo, std::nullopt, "ann");
  });
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 220);
  const std::vector<std::string> lines = absl::StrSplit(text, '\n', absl::SkipEmpty());
  EXPECT_THAT(lines, Each(AnyOf(MatchesRegex(".* work thread=. filler=x+"), HasSubstr(" log level changed from="))));
}

TEST(LogParseTest, WordsThatAreNotLevelsOrFormatsAreRefusedByName) {
  EXPECT_EQ(*ParseLevel("warn"), Level::kWarn);
  EXPECT_EQ(*ParseFormat("json"), Format::kJson);
  EXPECT_THAT(ParseLevel("loud"), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("loud")));
  EXPECT_THAT(ParseFormat("xml"), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("xml")));
}

}  // namespace
}  // namespace ev::log
