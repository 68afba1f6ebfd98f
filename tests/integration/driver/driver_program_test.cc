#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "tests/integration/driver/fake_central.h"
#include "tests/support/eventually.h"
#include "tests/support/temp_dir.h"

namespace ev::driver {
namespace {

namespace common_pb = evcharging::common::v1;

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

// The real program with pipes instead of a terminal.
class DriverProgramTest : public ::testing::Test {
 protected:
  ~DriverProgramTest() override {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
  }

  void Start(std::vector<std::string> arguments) {
    std::vector<std::string> all = {EV_DRIVER_PROGRAM, "--central", central_.address(), "--data-dir", dir_.path(),
                                    "--grpc-port",     "0",         "--http-port",      "0"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (std::string& argument : all) argv.push_back(argument.data());
    argv.push_back(nullptr);
    std::array<int, 2> in{};
    ASSERT_EQ(::pipe(in.data()), 0);
    pid_ = ::fork();
    ASSERT_GE(pid_, 0);
    if (pid_ == 0) {
      ::dup2(in[0], 0);
      ::close(in[1]);
      if (std::freopen(dir_.File("out").c_str(), "w", stdout) == nullptr) ::_exit(99);
      if (std::freopen(dir_.File("err").c_str(), "w", stderr) == nullptr) ::_exit(99);
      ::execv(argv[0], argv.data());
      ::_exit(99);
    }
    ::close(in[0]);
    input_ = in[1];
  }

  void Type(const std::string& text) {
    ASSERT_EQ(::write(input_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  void EndInput() { ::close(std::exchange(input_, -1)); }

  // -1: still running after 30 s.
  int ExitCode() {
    int status = 0;
    if (!Eventually(absl::Seconds(30), [&] { return ::waitpid(pid_, &status, WNOHANG) == pid_; })) return -1;
    pid_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  std::string Out() const { return ReadFile(dir_.File("out")); }
  std::string Err() const { return ReadFile(dir_.File("err")); }

  FakeCentral central_;
  TempDir dir_;
  pid_t pid_ = 0;
  int input_ = -1;
};

// B134 B179
TEST_F(DriverProgramTest, CommandsFromAPipeFinishTheirChargesPrintTheTicketsAndExitWithZero) {
  Start({});
  Type("charge cp_001\ncharge cp_002 10kWh\n");
  EndInput();
  ASSERT_TRUE(Eventually(absl::Seconds(20), [&] { return central_.sessions().size() == 2; })) << Err();
  const auto sessions = central_.sessions();
  EXPECT_EQ(sessions[1].target().energy_mwh(), 10'000'000);
  central_.Move(sessions[0].session_id(), common_pb::SESSION_STATE_CHARGING, 1'000'000);
  central_.Complete(sessions[0].session_id(), common_pb::END_REASON_UNPLUGGED);
  EXPECT_TRUE(Eventually(absl::Seconds(20), [&] { return Out().find("ticket") != std::string::npos; }));
  EXPECT_EQ(::waitpid(pid_, nullptr, WNOHANG), 0) << "one charge is still open";
  central_.Complete(sessions[1].session_id(), common_pb::END_REASON_TARGET_REACHED);
  EXPECT_EQ(ExitCode(), 0) << Err();
  EXPECT_THAT(Out(), HasSubstr("cp_001: granted  EUR 0.35 per kWh  plug in"));
  EXPECT_THAT(Out(), HasSubstr("cp_001: 1.000 kWh  11.0 kW  EUR 0.35"));
  EXPECT_THAT(Out(), HasSubstr("cp_001: ticket  3.142 kWh  EUR 1.10  UNPLUGGED"));
  EXPECT_THAT(Out(), HasSubstr("cp_002: ticket  3.142 kWh  EUR 1.10  TARGET_REACHED"));
  EXPECT_THAT(Out(), HasSubstr("2 completed, 0 denied, 0 failed\n"));
  EXPECT_THAT(Out(), Not(HasSubstr("listening"))) << "logs go to stderr";
}

// B179
TEST_F(DriverProgramTest, ADenialMakesTheExitCodeOne) {
  central_.Deny("cp_001", "POINT_STOPPED");
  central_.CompleteAtOnce(common_pb::END_REASON_UNPLUGGED);
  Start({});
  Type("charge cp_001\ncharge cp_002");
  EndInput();
  EXPECT_EQ(ExitCode(), 1);
  EXPECT_THAT(Out(), HasSubstr("cp_001: denied  POINT_STOPPED  charging point cp_001 says no\n"));
  EXPECT_THAT(Out(), HasSubstr("1 completed, 1 denied, 0 failed\n"));
}

// B134 B179
TEST_F(DriverProgramTest, AFaultMakesTheExitCodeOneThoughThereIsATicket) {
  central_.CompleteAtOnce(common_pb::END_REASON_FAULT);
  Start({});
  Type("charge cp_001\nquit\ncharge cp_002\n");
  EXPECT_EQ(ExitCode(), 1);
  EXPECT_THAT(Out(), HasSubstr("ticket"));
  EXPECT_THAT(central_.starts(), SizeIs(1)) << "nothing is read after quit";
}

// B134
TEST_F(DriverProgramTest, AStopInAPipeMeetsTheChargeBeforeIt) {
  Start({});
  Type("charge cp_001\nstop cp_001\nhistory\n");
  EndInput();
  EXPECT_EQ(ExitCode(), 0);
  EXPECT_THAT(Out(), HasSubstr("cp_001: stop accepted"));
  EXPECT_THAT(Out(), HasSubstr("DRIVER_STOP"));
}

TEST_F(DriverProgramTest, AFileOfRequestsIsWorkedThroughWithAPauseAfterEachConclusion) {
  central_.Deny("cp_001", "POINT_BUSY");
  central_.CompleteAtOnce(common_pb::END_REASON_UNPLUGGED);
  WriteFile(dir_.File("requests"), "# mine\ncp_001\n\ncp_002\n");
  Start({"--requests", dir_.File("requests"), "--pause", "10ms"});
  EXPECT_EQ(ExitCode(), 1);
  EXPECT_THAT(Out(), HasSubstr("1 of 2: cp_001\ncp_001: denied  POINT_BUSY"));
  EXPECT_THAT(Out(), HasSubstr("2 of 2: cp_002\n"));
  EXPECT_THAT(Out(), HasSubstr("1 completed, 1 denied, 0 failed\n"));
}

// B134
TEST_F(DriverProgramTest, AnAutoCommandDoesTheSame) {
  central_.CompleteAtOnce(common_pb::END_REASON_UNPLUGGED);
  WriteFile(dir_.File("requests"), "cp_001\ncp_002\n");
  Start({"--pause=10ms"});
  Type("auto " + dir_.File("requests") + "\nhistory\n");
  EndInput();
  EXPECT_EQ(ExitCode(), 0) << Out();
  EXPECT_THAT(central_.starts(), SizeIs(2));
}

// B180
TEST_F(DriverProgramTest, AListThatASignalCutsNamesWhatIsNotDoneAndExitsWithOne) {
  central_.Deny("cp_001", "POINT_BUSY");
  WriteFile(dir_.File("requests"), "cp_001\ncp_002\ncp_003\n");
  Start({"--requests", dir_.File("requests"), "--pause", "10ms"});
  ASSERT_TRUE(Eventually(absl::Seconds(20), [&] { return Out().find("cp_002: granted") != std::string::npos; }));
  ::kill(pid_, SIGTERM);
  EXPECT_EQ(ExitCode(), 1);
  EXPECT_THAT(Out(), HasSubstr("not done: cp_002, cp_003\n"));
}

// B180
TEST_F(DriverProgramTest, AChargeThatASignalLeavesOpenMakesTheExitCodeOne) {
  Start({});
  Type("charge cp_001\n");
  ASSERT_TRUE(Eventually(absl::Seconds(20), [&] { return Out().find("cp_001: granted") != std::string::npos; }));
  ::kill(pid_, SIGTERM);
  EXPECT_EQ(ExitCode(), 1);
  EXPECT_THAT(Out(), HasSubstr("not done: cp_001\n"));
}

// B17
TEST_F(DriverProgramTest, AChargeWhoseFinalDoesNotComeEndsThePipeAsAFailure) {
  central_.BeginIn(common_pb::SESSION_STATE_AWAITING_FINAL);
  Start({"--stuck-timeout", "100ms"});
  Type("charge cp_001\n");
  EndInput();
  EXPECT_EQ(ExitCode(), 1);
  EXPECT_THAT(Out(), HasSubstr("cp_001: failed  the final figures are missing"));
  EXPECT_THAT(Out(), HasSubstr("0 completed, 0 denied, 1 failed\n"));
}

TEST_F(DriverProgramTest, ABadFileOfRequestsIsAMisconfigurationThatNamesTheLine) {
  WriteFile(dir_.File("requests"), "cp_001\ncp 002\n");
  Start({"--requests", dir_.File("requests")});
  EXPECT_EQ(ExitCode(), 2);
  EXPECT_THAT(Err(), HasSubstr("--requests"));
  EXPECT_THAT(Err(), HasSubstr("requests:2: a line is one charging point id"));
  EXPECT_THAT(central_.starts(), SizeIs(0));
}

// B134
TEST_F(DriverProgramTest, ACommandThatIsNoneIsSaidAndMakesTheExitCodeOne) {
  Start({});
  Type("charge\ncharge cp_001 5USD\nfly\nlist\nhelp\n");
  // Until Central has told what is open, the answer is that this is not known yet.
  EXPECT_TRUE(Eventually(absl::Seconds(20), [&] {
    Type("status\n");
    return absl::StrContains(Out(), "no open charge");
  })) << Out();
  EndInput();
  EXPECT_EQ(ExitCode(), 1);
  EXPECT_THAT(Out(), HasSubstr("charge <cp_id> [target]: charging point id is empty"));
  EXPECT_THAT(Out(), HasSubstr("cp_001 charges in EUR, not in USD"));
  EXPECT_THAT(Out(), HasSubstr("unknown command \"fly\""));
  EXPECT_THAT(Out(), HasSubstr("cp_001        AVAILABLE     EUR 0.35 per kWh  Calle Mayor 1\n"));
  EXPECT_THAT(Out(), HasSubstr("out of order: operator, cable?[31m damaged\n")) << "nobody else's control characters";
  EXPECT_THAT(Out(), HasSubstr("auto <file>"));
}

TEST_F(DriverProgramTest, WithoutACommandItServesUntilItIsAskedToStop) {
  Start({});
  EndInput();
  ASSERT_TRUE(Eventually(absl::Seconds(20), [&] { return central_.watchers() == 1; })) << Err();
  ::kill(pid_, SIGTERM);
  EXPECT_EQ(ExitCode(), 0);
  EXPECT_THAT(Err(), AllOf(HasSubstr("listening"), Not(HasSubstr("cannot be reached"))))
      << "the first try was answered";
}

// B56
TEST_F(DriverProgramTest, ACentralThatIsAwayIsSaidAndTheChargeIsAskedWhenItReturns) {
  central_.StopServing();
  central_.CompleteAtOnce(common_pb::END_REASON_UNPLUGGED);
  Start({});
  Type("charge cp_001\n");
  EndInput();
  ASSERT_TRUE(Eventually(absl::Seconds(20), [&] {
    return Out().find("central cannot be reached") != std::string::npos;
  })) << Err();
  central_.Serve();
  EXPECT_EQ(ExitCode(), 0) << Out();
  EXPECT_THAT(Out(), HasSubstr("central answers again"));
  EXPECT_THAT(Err(), HasSubstr("central cannot be reached, trying again"));
  EXPECT_THAT(Err(), Not(HasSubstr("not answered yet"))) << "nothing is said before the first try has failed";
}

}  // namespace
}  // namespace ev::driver
