#include "cli/evctl/contexts.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ev::evctl {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ContextsTest : public ::testing::Test {
 protected:
  void Write(const std::string& text) { WriteFile(file_, text); }

  // Sets the Central of a context.
  absl::Status Set(const std::string& name, const std::string& central) {
    return ChangeContexts(file_,
                          [&](Contexts& contexts) { return SetField(contexts.by_name[name], "central", central); });
  }

  TempDir folder_;
  const std::string file_ = folder_.path() + "/below/config.toml";
};

// B206
TEST_F(ContextsTest, WhatIsWrittenIsReadAgain) {
  EXPECT_THAT(ReadContexts(file_)->by_name, IsEmpty());
  ASSERT_THAT(ChangeContexts(file_,
                             [](Contexts& contexts) {
                               contexts.current = "north.eu";
                               contexts.by_name["north.eu"] = {.central = "dns:///central:1",
                                                               .kafka_brokers = "a:1,b:2"};
                               contexts.by_name["South"] = {.central = "[::1]:1", .kafka_brokers = ""};
                               contexts.by_name["default"] = {.central = "", .kafka_brokers = "c:3"};
                               return absl::OkStatus();
                             }),
              IsOk());
  const auto contexts = ReadContexts(file_);
  ASSERT_THAT(contexts, IsOk());
  EXPECT_EQ(contexts->current, "north.eu");
  ASSERT_EQ(contexts->by_name.size(), 3);
  EXPECT_EQ(contexts->by_name.at("north.eu").central, "dns:///central:1");
  EXPECT_EQ(contexts->by_name.at("north.eu").kafka_brokers, "a:1,b:2");
  EXPECT_EQ(contexts->by_name.at("South").central, "[::1]:1");
  EXPECT_EQ(contexts->by_name.at("default").kafka_brokers, "c:3");
}

// B206
TEST_F(ContextsTest, TheFileIsReplacedAsAWholeAndIsForItsOwnerOnly) {
  ASSERT_THAT(Set("a", "one:1"), IsOk());
  ::chmod(file_.c_str(), 0644);
  std::ifstream before(file_);  // Somebody who reads meanwhile.
  ASSERT_THAT(Set("b", "two:2"), IsOk());
  std::stringstream seen;
  seen << before.rdbuf();
  EXPECT_THAT(seen.str(), AllOf(HasSubstr("one:1"), ::testing::Not(HasSubstr("two:2"))));
  struct stat about {};
  ASSERT_EQ(::stat(file_.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777U, 0600U);
  ASSERT_EQ(::stat((folder_.path() + "/below").c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777U, 0700U);
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path() + "/below")) {
    EXPECT_EQ(entry.path().filename(), "config.toml");
    ++files;
  }
  EXPECT_EQ(files, 1);
}

// B206
TEST_F(ContextsTest, AChangeThatFailsChangesNothing) {
  ASSERT_THAT(Set("a", "one:1"), IsOk());
  const std::string before = ReadFile(file_);
  EXPECT_TRUE(absl::IsInvalidArgument(Set("b", "nonsense")));
  EXPECT_EQ(ReadFile(file_), before);
  const int folder = ::open((folder_.path() + "/below").c_str(), O_RDONLY | O_DIRECTORY);
  ASSERT_EQ(::flock(folder, LOCK_EX), 0);  // Another process at the same.
  const absl::Status refused = Set("b", "two:2");
  EXPECT_TRUE(absl::IsUnavailable(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("try again"));
  EXPECT_EQ(ReadFile(file_), before);
  ::close(folder);
  EXPECT_THAT(Set("b", "two:2"), IsOk());
}

// B206
TEST_F(ContextsTest, ALinkStaysOne) {
  const std::string target = folder_.path() + "/target";
  std::ofstream(target) << "[contexts.a]\ncentral = \"one:1\"\n";
  std::filesystem::create_directory(folder_.path() + "/below");
  std::filesystem::create_symlink(target, file_);
  ASSERT_THAT(Set("b", "two:2"), IsOk());
  EXPECT_TRUE(std::filesystem::is_symlink(file_));
  EXPECT_THAT(ReadFile(target), AllOf(HasSubstr("one:1"), HasSubstr("two:2")));
}

// B206
TEST_F(ContextsTest, AWrongFileIsRefusedWithItsLine) {
  std::filesystem::create_directory(folder_.path() + "/below");
  const struct {
    const char* text;
    const char* said;
  } kWrong[] = {
      {"[contexts.a]\ncentrl = \"a:1\"\n",
       ", line 2: contexts.a.centrl: a context has no such key; did you mean central?"},
      {"current = \"a\"\n", ", line 1: current: it is neither current-context nor in a section"},
      {"[contexts]\ncentral = \"a:1\"\n", ", line 2: contexts.central: it is neither"},
      {"[context.a]\ncentral = \"a:1\"\n", ", line 2: context.a.central: it is neither"},
      {"[contexts.a]\n\ncentral = \"a\"\n", ", line 3: contexts.a.central: \"a\" is not host:port"},
      {"[contexts.a]\nkafka-brokers = \"a:1,b\"\n", ", line 2: contexts.a.kafka-brokers: \"b\" is not host:port"},
      {"[contexts.a]\nkafka-brokers = [\"a:1\", \"b:1\"]\n", ", line 2: contexts.a.kafka-brokers: it takes one value"},
      {"[contexts.a b]\ncentral = \"a:1\"\n", "\"a b\" is no name of a context"},
      {"[contexts.a]\ncentral = \"a:1\"\ncentral = \"b:1\"\n", "more than once, in the lines 2, 3"},
      {"[contexts.a]\nx\n", "is no option and no section, in "},
  };
  for (const auto& [text, said] : kWrong) {
    Write(text);
    const absl::Status status = ReadContexts(file_).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << text;
    EXPECT_THAT(std::string(status.message()),
                AllOf(HasSubstr(file_), HasSubstr(said), HasSubstr("; mend it, or name")))
        << text;
    EXPECT_TRUE(absl::IsInvalidArgument(Set("b", "two:2")));  // What a person wrote is not thrown away.
    EXPECT_EQ(ReadFile(file_), text);
  }
}

// B205
TEST_F(ContextsTest, AContextThatIsNotThereIsRefusedWithTheOneThatWasMeant) {
  ASSERT_THAT(Set("north", "one:1"), IsOk());
  EXPECT_EQ(ChooseContext(file_, "")->name, "");
  EXPECT_EQ(ChooseContext(file_, "north")->context.central, "one:1");
  EXPECT_THAT(ChooseContext(file_, "nort").status().ToString(), HasSubstr("did you mean north?"));
  Write("current-context = \"gone\"\n");
  EXPECT_THAT(ChooseContext(file_, "").status().ToString(), HasSubstr("current-context: no context \"gone\" in "));
  EXPECT_THAT(ChooseContext(file_ + "x", "").status().ToString(), HasSubstr("there is no "));
}

}  // namespace
}  // namespace ev::evctl
