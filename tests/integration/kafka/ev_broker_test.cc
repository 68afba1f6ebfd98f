// The program ev-broker, as its users start it. EV_BROKER_PROGRAM is its path.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "kafka/admin.h"
#include "kafka/embedded_broker.h"
#include "tests/support/status_matchers.h"

namespace ev::kafka {
namespace {

using ::testing::HasSubstr;

// A child with its output in a pipe; killed at the end of the scope if it is still there.
class Child {
 public:
  explicit Child(std::vector<std::string> arguments) {
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
    arguments.insert(arguments.begin(), EV_BROKER_PROGRAM);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    EXPECT_EQ(posix_spawn(&pid_, EV_BROKER_PROGRAM, &actions, nullptr, argv.data(), environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    output_.reset(fdopen(ends[0], "r"));
  }
  ~Child() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    Wait();
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  void Signal(int signal) { kill(pid_, signal); }
  // Its exit code, or -1 when a signal ended it.
  int Wait() {
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  // Empty at the end of its output.
  std::string ReadLine() {
    std::string line;
    for (int c = 0; (c = std::fgetc(output_.get())) != EOF && c != '\n';) line.push_back(static_cast<char>(c));
    return line;
  }
  std::string ReadAll() {
    std::string all;
    for (int c = 0; (c = std::fgetc(output_.get())) != EOF;) all.push_back(static_cast<char>(c));
    return all;
  }

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  pid_t pid_ = 0;
  std::unique_ptr<std::FILE, Close> output_;
};

TEST(EvBrokerTest, ServesTheTopicsUntilItIsAskedToStop) {
  for (const int signal : {SIGTERM, SIGINT}) {
    Child broker({"--port", "0", "--partitions", "5"});
    const std::string line = broker.ReadLine();
    ASSERT_THAT(line, HasSubstr("127.0.0.1:"));
    EXPECT_THAT(line, HasSubstr("nothing is durable"));
    const std::size_t at = line.find("127.0.0.1:");
    const std::string bootstrap = line.substr(at, line.find(' ', at) - at);
    {
      const auto admin = *Admin::Create({.brokers = bootstrap});
      EXPECT_EQ(*admin->PartitionCount("charging_session_data", absl::Seconds(20)), 5);
      EXPECT_EQ(*admin->PartitionCount("charging_session_complete", absl::Seconds(20)), 5);
      EXPECT_EQ(*admin->PartitionCount("charging_status_updates", absl::Seconds(20)), 3);
    }
    EXPECT_THAT(broker.ReadLine(), HasSubstr("topic charging_session_data, partitions: 5"));
    broker.Signal(signal);
    EXPECT_EQ(broker.Wait(), 0);
  }
}

TEST(EvBrokerTest, MakesFurtherTopicsByName) {
  Child broker({"--port", "0", "--partitions", "5", "--topic", "my_data", "--topic", "my_finals"});
  const std::string line = broker.ReadLine();
  const std::size_t at = line.find("127.0.0.1:");
  ASSERT_NE(at, std::string::npos) << line;
  const auto admin = *Admin::Create({.brokers = line.substr(at, line.find(' ', at) - at)});
  EXPECT_EQ(*admin->PartitionCount("my_data", absl::Seconds(20)), 5);
  EXPECT_EQ(*admin->PartitionCount("my_finals", absl::Seconds(20)), 5);
  EXPECT_EQ(*admin->PartitionCount("charging_session_data", absl::Seconds(20)), 5);
  broker.Signal(SIGTERM);
  EXPECT_EQ(broker.Wait(), 0);
}

TEST(EvBrokerTest, ATakenPortEndsWithOneAndNamesIt) {
  const auto taken = *EmbeddedBroker::Start();
  Child broker({"--port", std::to_string(taken->port())});
  EXPECT_THAT(broker.ReadAll(), HasSubstr(taken->bootstrap()));
  EXPECT_EQ(broker.Wait(), 1);
}

TEST(EvBrokerTest, WrongArgumentsEndWithTwoAndHelpWithZero) {
  Child wrong({"--partitions", "0"});
  EXPECT_THAT(wrong.ReadAll(), HasSubstr("--partitions"));
  EXPECT_EQ(wrong.Wait(), 2);
  Child no_name({"--topic", "no name"});
  EXPECT_THAT(no_name.ReadAll(), HasSubstr("no name"));
  EXPECT_EQ(no_name.Wait(), 2);
  Child unknown({"--prot", "1"});
  EXPECT_EQ(unknown.ReadAll(), "ev-broker: unknown option --prot; did you mean --port? (ev-broker --help)\n");
  EXPECT_EQ(unknown.Wait(), 2);
  Child version({"--version"});
  EXPECT_THAT(version.ReadAll(), testing::MatchesRegex("ev-broker [0-9]+\\.[0-9]+\\.[0-9]+([+].*)?\n"));
  EXPECT_EQ(version.Wait(), 0);
  Child help({"--help"});
  EXPECT_THAT(help.ReadAll(), HasSubstr("NOT DURABLE"));
  EXPECT_EQ(help.Wait(), 0);
}

}  // namespace
}  // namespace ev::kafka
