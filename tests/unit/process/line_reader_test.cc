#include "process/line_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utmp.h>

#include <csignal>
#include <cstdlib>
#include <thread>

#include "base/mutex.h"
#include "tests/support/eventually.h"
#include "tests/support/temp_dir.h"

namespace ev::process {
namespace {

using ::testing::ElementsAre;

// Collects what a reader says.
class Lines {
 public:
  void Add(std::string line) {
    MutexLock lock(mutex_);
    lines_.push_back(std::move(line));
  }
  void End() {
    MutexLock lock(mutex_);
    ended_ = true;
  }
  std::vector<std::string> lines() {
    MutexLock lock(mutex_);
    return lines_;
  }
  bool ended() {
    MutexLock lock(mutex_);
    return ended_;
  }
  bool Wait(std::size_t count) {
    return Eventually(absl::Seconds(10), [&] { return lines().size() >= count; });
  }
  std::unique_ptr<LineReader> Read(LineReader::Options options) {
    return std::make_unique<LineReader>(
        std::move(options), [this](const std::string& line) { Add(line); }, [this] { End(); });
  }

 private:
  Mutex mutex_;
  std::vector<std::string> lines_ ABSL_GUARDED_BY(mutex_);
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
};

class PipeTest : public testing::Test {
 protected:
  PipeTest() { EXPECT_EQ(::pipe(fds_), 0); }
  ~PipeTest() override {
    reader_.reset();
    CloseInput();
    ::close(fds_[0]);
  }
  void Start() { reader_ = lines_.Read({.input_fd = fds_[0]}); }
  void Type(const std::string& text) { ASSERT_EQ(::write(fds_[1], text.data(), text.size()), ssize_t(text.size())); }
  void CloseInput() {
    if (fds_[1] >= 0) ::close(std::exchange(fds_[1], -1));
  }

  int fds_[2];
  Lines lines_;
  std::unique_ptr<LineReader> reader_;
};

TEST_F(PipeTest, EachLineIsACommandAndTheEndOfInputIsSaidOnce) {
  Start();
  EXPECT_FALSE(reader_->is_terminal());
  Type("  charge cp_001 \r\n\n   \nli");
  Type("st\nquit");
  CloseInput();
  ASSERT_TRUE(Eventually(absl::Seconds(10), [&] { return lines_.ended(); }));
  EXPECT_THAT(lines_.lines(), ElementsAre("charge cp_001", "list", "quit"));
}

TEST_F(PipeTest, AnEndlessLineIsDroppedAndTheNextIsRead) {
  Start();
  for (int i = 0; i < 64; ++i) Type(std::string(1024, 'a'));
  Type("\nlist\n");
  ASSERT_TRUE(lines_.Wait(1));
  EXPECT_THAT(lines_.lines(), ElementsAre("list"));
}

// B140
TEST_F(PipeTest, WhatCannotBeSentOrShownIsAQuestionMarkAndATabIsABlank) {
  Start();
  Type("stop all \xff caf\xe9\nfault\tcable\x1b[2J \xc2\x9b\x01\ncharge caf\xc3\xa9\n");
  ASSERT_TRUE(lines_.Wait(3));
  EXPECT_THAT(lines_.lines(), ElementsAre("stop all ? caf?", "fault cable?[2J ??", "charge caf\xc3\xa9"));
}

TEST_F(PipeTest, AReaderThatWaitsForALineStopsAtOnce) {
  Start();
  Type("list\n");
  ASSERT_TRUE(lines_.Wait(1));
  reader_.reset();
  EXPECT_FALSE(lines_.ended());
}

// A terminal with a person who types and reads what it shows.
class TerminalTest : public testing::Test {
 protected:
  TerminalTest() {
    ::setenv("TERM", "xterm", 1);
    EXPECT_EQ(::openpty(&master_, &slave_, nullptr, nullptr, nullptr), 0);
    output_ = ::fdopen(::dup(slave_), "w");
    screen_thread_ = std::jthread([this] {
      char text[512];
      for (ssize_t size; (size = ::read(master_, text, sizeof(text))) > 0;) {
        MutexLock lock(mutex_);
        screen_.append(text, static_cast<std::size_t>(size));
      }
    });
  }
  ~TerminalTest() override {
    reader_.reset();
    std::fclose(output_);
    ::close(slave_);  // The last one: the master's read ends.
    screen_thread_.join();
    ::close(master_);
  }

  void Start(LineReader::Options options = {}) {
    options.prompt = "ev> ";
    options.input_fd = slave_;
    options.output = output_;
    reader_ = lines_.Read(std::move(options));
    ASSERT_TRUE(Shows("ev> "));
  }
  void Type(const std::string& text) { ASSERT_EQ(::write(master_, text.data(), text.size()), ssize_t(text.size())); }
  bool Shows(const std::string& text) {
    return Eventually(absl::Seconds(10), [&] {
      MutexLock lock(mutex_);
      return screen_.find(text) != std::string::npos;
    });
  }

  int master_ = -1;
  int slave_ = -1;
  std::FILE* output_ = nullptr;
  Mutex mutex_;
  std::string screen_ ABSL_GUARDED_BY(mutex_);
  std::jthread screen_thread_;
  Lines lines_;
  std::unique_ptr<LineReader> reader_;
};

TEST_F(TerminalTest, ALineCanBeEditedBeforeItIsEntered) {
  Start();
  EXPECT_TRUE(reader_->is_terminal());
  Type("lisx\x7ft caf\xc3\xa9\r");
  ASSERT_TRUE(lines_.Wait(1));
  EXPECT_THAT(lines_.lines(), ElementsAre("list caf\xc3\xa9"));
}

// B140
TEST_F(TerminalTest, AByteThatBeginsNoCharacterSwallowsNoKeyThatFollows) {
  Start();
  Type("stop \xff\xe2x\xc3\r");
  ASSERT_TRUE(lines_.Wait(1));
  EXPECT_THAT(lines_.lines(), ElementsAre("stop ??x?"));
  Type("ok\r");
  ASSERT_TRUE(lines_.Wait(2));
  EXPECT_THAT(lines_.lines()[1], "ok");
}

TEST_F(TerminalTest, TheArrowKeyBringsBackTheLastLineAlsoOfAnEarlierRun) {
  TempDir dir;
  Start({.history_file = dir.File("history")});
  Type("status\r");
  ASSERT_TRUE(lines_.Wait(1));
  Type("\x1b[A\r");
  ASSERT_TRUE(lines_.Wait(2));
  reader_.reset();
  Start({.history_file = dir.File("history")});
  Type("\x1b[A\r");
  ASSERT_TRUE(lines_.Wait(3));
  EXPECT_THAT(lines_.lines(), ElementsAre("status", "status", "status"));
}

TEST_F(TerminalTest, TabCompletesTheWordOrShowsTheChoice) {
  Start({.complete = [](absl::string_view, absl::string_view) {
    return std::vector<std::string>{"charge", "cp_001", "cp_002"};
  }});
  Type("ch\tcp\t\t");
  ASSERT_TRUE(Shows("cp_001  cp_002"));
  Type("2\r");
  ASSERT_TRUE(lines_.Wait(1));
  EXPECT_THAT(lines_.lines(), ElementsAre("charge cp_002"));
}

TEST_F(TerminalTest, ControlDEndsTheInput) {
  Start();
  Type("\x04");
  EXPECT_TRUE(Eventually(absl::Seconds(10), [&] { return lines_.ended(); }));
}

// In a session of its own, whose terminal another process group has.
TEST(BackgroundTest, AReaderInTheBackgroundIsNotStoppedAndEndsWhenAsked) {
  int master = -1;
  int slave = -1;
  ASSERT_EQ(::openpty(&master, &slave, nullptr, nullptr, nullptr), 0);
  const pid_t leader = ::fork();
  if (leader == 0) {
    ::login_tty(::dup(slave));
    const pid_t job = ::fork();
    if (job == 0) {
      ::setpgid(0, 0);
      {
        LineReader reader(
            {}, [](const std::string&) {}, nullptr);
      }
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(job, &status, WUNTRACED);
    if (WIFSTOPPED(status)) ::kill(job, SIGKILL);
    ::_exit(WIFEXITED(status) ? 0 : 1);
  }
  int status = 0;
  ::waitpid(leader, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  ::close(master);
  ::close(slave);
}

TEST_F(TerminalTest, StoppingInTheMiddleOfALineRestoresTheTerminal) {
  termios before;
  ASSERT_EQ(::tcgetattr(slave_, &before), 0);
  Start();
  Type("half a li");
  ASSERT_TRUE(Shows("half a li"));
  reader_.reset();
  termios after;
  ASSERT_EQ(::tcgetattr(slave_, &after), 0);
  EXPECT_EQ(after.c_lflag, before.c_lflag);
  EXPECT_EQ(after.c_iflag, before.c_iflag);
  EXPECT_TRUE(lines_.lines().empty());
  EXPECT_FALSE(lines_.ended());
}

}  // namespace
}  // namespace ev::process
