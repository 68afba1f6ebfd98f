#include "config/parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "config/service_options.h"
#include "tests/support/temp_dir.h"

namespace ev::config {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

// One run of a program with all kinds of options.
struct Trial {
  explicit Trial(std::vector<std::string> arguments, std::vector<std::string> environment = {}) {
    parser.Add("kafka-brokers", &brokers, "brokers").Required();
    parser.Add("kafka-linger", &linger, "linger").Range(absl::ZeroDuration(), absl::Seconds(1));
    parser.Add("kafka-enabled", &enabled, "use Kafka");
    parser.Add("kafka-config", &extra, "any setting");
    parser.Add("kafka-password", &password, "password").Secret();
    parser.Add("listen", &listen, "address");
    parser.Add("grpc-port", &port, "port").Range(0, 65535).EnvAlias("ENGINE_LISTEN_PORT");
    parser.Add("window-size", &window, "ids").Range(-10, 1e9);
    parser.Add("share", &share, "a part").Range(0, 1);
    parser.Add("tag", &tags, "tags");
    parser.Add("mode", &mode, "mode").OneOf({"auto", "manual"});
    parser.Positional("grpc-port");
    parser.Positional("kafka-brokers");
    std::vector<const char*> argv = {"ev-test"};
    for (const std::string& argument : arguments) argv.push_back(argument.c_str());
    code = parser.Run(static_cast<int>(argv.size()), argv.data(), environment, out, err);
  }

  std::string brokers = "localhost:9092";
  absl::Duration linger = absl::Milliseconds(5);
  bool enabled = true;
  std::map<std::string, std::string> extra;
  std::string password;
  std::string listen = "127.0.0.1";
  int port = 50051;
  std::int64_t window = 1000000;
  double share = 0.5;
  std::vector<std::string> tags;
  std::string mode = "auto";

  Parser parser{{.name = "ev-test", .version = "1.2.3", .summary = "Tests.", .examples = {"ev-test 6001 host:9092"}}};
  std::ostringstream out;
  std::ostringstream err;
  std::optional<int> code;
};

class ParserTest : public testing::Test {
 protected:
  std::string ConfigFile(absl::string_view text) {
    WriteFile(dir_.File("ev.toml"), text);
    return "--config=" + dir_.File("ev.toml");
  }
  TempDir dir_;
};

TEST_F(ParserTest, WithoutAnythingTheDefaultsStand) {
  Trial run({});
  EXPECT_EQ(run.code, std::nullopt) << run.err.str();
  EXPECT_EQ(run.brokers, "localhost:9092");
  EXPECT_EQ(run.linger, absl::Milliseconds(5));
  EXPECT_TRUE(run.enabled);
  EXPECT_EQ(run.port, 50051);
  EXPECT_EQ(run.parser.source("grpc-port"), Source::kDefault);
}

// B170
TEST_F(ParserTest, AFlagWinsOverTheEnvironmentAndThatOverTheFile) {
  const std::string file = ConfigFile("[kafka]\nbrokers = \"file:1\"\nlinger = 3ms\nenabled = false\n");
  Trial run({file, "--kafka-brokers=flag:1"}, {"EV_KAFKA_BROKERS=env:1", "EV_KAFKA_LINGER=2ms"});
  EXPECT_EQ(run.code, std::nullopt) << run.err.str();
  EXPECT_EQ(run.brokers, "flag:1");
  EXPECT_EQ(run.linger, absl::Milliseconds(2));
  EXPECT_FALSE(run.enabled);
  EXPECT_EQ(run.parser.source("kafka-brokers"), Source::kFlag);
  EXPECT_EQ(run.parser.source("kafka-linger"), Source::kEnvironment);
  EXPECT_EQ(run.parser.source("kafka-enabled"), Source::kFile);
}

TEST_F(ParserTest, TheFileTakesSectionsQuotesCommentsAndLists) {
  Trial run(
      {ConfigFile("# all\n"
                  "listen = '127.0.0.2'  # not \"quoted\"\n"
                  "tag = [\"a, b\", 'c#d']\n"
                  "[kafka]\n"
                  "brokers = \"a:1,b:2\" # two\n"
                  "password = \"pa#ss, 'word'\"\n"
                  "config = [\"sasl.username=u\", \"x=1=2\"]\n"
                  "[grpc]\n"
                  "port = 7 # seven\n")});
  EXPECT_EQ(run.code, std::nullopt) << run.err.str();
  EXPECT_EQ(run.listen, "127.0.0.2");
  EXPECT_THAT(run.tags, ElementsAre("a, b", "c#d"));
  EXPECT_EQ(run.brokers, "a:1,b:2");
  EXPECT_EQ(run.password, "pa#ss, 'word'");
  EXPECT_THAT(run.extra, UnorderedElementsAre(Pair("sasl.username", "u"), Pair("x", "1=2")));
  EXPECT_EQ(run.port, 7);
}

// B171
TEST_F(ParserTest, AnUnknownKeyInTheFileIsAMisconfiguration) {
  Trial run({ConfigFile("[kafka]\nbroker = \"typo:1\"\n")});
  EXPECT_EQ(run.code, 2);
  EXPECT_THAT(run.err.str(), HasSubstr("--config: unknown key kafka.broker in " + dir_.File("ev.toml") +
                                       ", line 2; did you mean kafka.brokers?"));
}

// B171
TEST_F(ParserTest, AnErrorInTheFileNamesFileAndLine) {
  Trial run(
      {ConfigFile("# a comment\n"
                  "tag = [\"a=1\",\n"
                  "  \"b\"]\n"
                  "[kafka]\n"
                  "linger = 2s  # too long\n"
                  "nonsense\n")});
  EXPECT_EQ(run.code, 2);
  const std::string file = " in " + dir_.File("ev.toml");
  EXPECT_THAT(run.err.str(),
              AllOf(HasSubstr("--kafka-linger: 2s is out of range, 0 to 1s (from kafka.linger" + file + ", line 5)"),
                    HasSubstr("unknown key kafka.nonsense" + file + ", line 6")));
}

// B171
TEST_F(ParserTest, ALineOfOneOrTwoCharactersIsAMisconfigurationUnlessItIsAComment) {
  for (const char* line : {"x", "x=", "[]", "]", "=1"}) {
    Trial run({ConfigFile(absl::StrCat("# all\n\n", line, "\n"))});
    EXPECT_EQ(run.code, 2) << line;
    EXPECT_THAT(run.err.str(), HasSubstr(absl::StrCat("--config: \"", line, "\" is no option and no section, in ",
                                                      dir_.File("ev.toml"), ", line 3\n")));
  }
  Trial open({ConfigFile("tag = [\n]\n")});
  EXPECT_EQ(open.code, 2);
  EXPECT_THAT(open.err.str(), HasSubstr("line 2\n"));
  Trial run({ConfigFile("#\n #x\n;\n;x\n  \nmode = manual\n")});
  EXPECT_EQ(run.code, std::nullopt) << run.err.str();
  EXPECT_EQ(run.mode, "manual");
}

TEST_F(ParserTest, WhatStandsInAListOfSeveralLinesIsNoKey) {
  Trial run({ConfigFile("tag = [a,\n  mode=1,\n  b\n]\nmode = manual\n")});
  EXPECT_EQ(run.code, std::nullopt) << run.err.str();
  EXPECT_THAT(run.tags, ElementsAre("a", "mode=1", "b"));
  EXPECT_EQ(run.mode, "manual");
}

// B171
TEST_F(ParserTest, ACheckAcrossOptionsSaysWhereTheValueThatItNamesCameFrom) {
  const auto say = [&](std::vector<std::string> arguments, std::vector<std::string> environment) {
    std::string brokers;
    Parser parser({.name = "ev-test", .version = "1", .summary = "", .examples = {}});
    parser.Add("kafka-brokers", &brokers, "brokers");
    parser.AtEnd([] { return absl::InvalidArgumentError("--kafka-brokers: wrong"); });
    std::vector<const char*> argv = {"ev-test"};
    for (const std::string& argument : arguments) argv.push_back(argument.c_str());
    std::ostringstream out;
    std::ostringstream err;
    EXPECT_EQ(parser.Run(static_cast<int>(argv.size()), argv.data(), environment, out, err), 2);
    return err.str();
  };
  EXPECT_EQ(say({}, {"EV_KAFKA_BROKERS=x"}), "ev-test: --kafka-brokers: wrong (from EV_KAFKA_BROKERS)\n");
  EXPECT_EQ(say({ConfigFile("[kafka]\nbrokers = x\n")}, {}),
            "ev-test: --kafka-brokers: wrong (from kafka.brokers in " + dir_.File("ev.toml") + ", line 2)\n");
  EXPECT_EQ(say({"--kafka-brokers=x"}, {}), "ev-test: --kafka-brokers: wrong\n");
}

TEST_F(ParserTest, AKeyTwiceAndAValueThatWantsQuotesAreMisconfigurations) {
  Trial twice({ConfigFile("listen = \"a\"\n[kafka]\nlinger = 1ms\n[grpc]\nport = 1\n[kafka]\nlinger = 2ms\n")});
  EXPECT_EQ(twice.code, 2);
  EXPECT_THAT(twice.err.str(), HasSubstr("kafka.linger more than once, in the lines 3, 7"));
  Trial unquoted({ConfigFile("[kafka]\nbrokers = a:1,b:2\n")});
  EXPECT_EQ(unquoted.code, 2);
  EXPECT_THAT(unquoted.err.str(), AllOf(HasSubstr("--kafka-brokers"), HasSubstr("quote")));
}

// B171
TEST_F(ParserTest, AFileThatIsNoRegularOneOrTooLargeIsAMisconfiguration) {
  ASSERT_EQ(::mkfifo(dir_.File("pipe").c_str(), 0600), 0);
  WriteFile(dir_.File("large"), std::string(64 * 1024 + 1, '\n'));
  const std::pair<std::string, std::string> cases[] = {
      {dir_.path(), "it is a directory"},
      {dir_.File("pipe"), "it is not a regular file"},
      {"/dev/zero", "it is not a regular file"},
      {"/proc/self/mem", "Input/output error"},
      {dir_.File("large"), "it is larger than 64 KiB"},
  };
  for (const auto& [path, why] : cases) {
    Trial run({"--config=" + path, "--check-config"});
    EXPECT_EQ(run.code, 2) << path;
    EXPECT_EQ(run.err.str(), absl::StrCat("ev-test: --config: cannot read ", path, ": ", why, "\n"));
  }
  WriteFile(dir_.File("large"), std::string(64 * 1024, '\n'));
  EXPECT_EQ(Trial({"--config=" + dir_.File("large")}).code, std::nullopt);
}

TEST_F(ParserTest, TheMarkWithWhichSomeEditorsBeginAFileIsSkipped) {
  Trial run({ConfigFile("\xef\xbb\xbfmode = manual\n")});
  EXPECT_EQ(run.code, std::nullopt) << run.err.str();
  EXPECT_EQ(run.mode, "manual");
}

// B171
TEST_F(ParserTest, WhatIsSaidAboutAFileHasAnEnd) {
  std::string deep = "[a";
  for (int i = 0; i < 10000; ++i) deep += ".a";
  deep += "]\nx = 1\n";
  std::string unknown;
  for (int i = 0; i < 1000; ++i) absl::StrAppend(&unknown, "key", i, " = 1\n");
  for (const std::string& text : {std::string(60000, 'k') + " = 1\n", "grpc.port = " + std::string(60000, '7') + "\n",
                                  deep, absl::StrCat("[", std::string(60000, 's'), "]\nx = 1\n"),
                                  "mode = \"" + std::string(60000, 'm') + "\"\n", unknown}) {
    Trial run({ConfigFile(text)});
    EXPECT_EQ(run.code, 2);
    EXPECT_LT(run.err.str().size(), 3000) << text.substr(0, 20);
  }
  EXPECT_EQ(Trial({ConfigFile("; " + std::string(1000, 'c') + "\n")}).code, std::nullopt) << "a comment";
  Trial many({ConfigFile(unknown)});
  EXPECT_THAT(many.err.str(), HasSubstr("--config: 990 more unknown keys in " + dir_.File("ev.toml") + "\n"));
  std::string twice;
  for (int i = 0; i < 1000; ++i) twice += "mode = auto\n";
  Trial again({ConfigFile(twice)});
  EXPECT_THAT(again.err.str(), HasSubstr("in the lines 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 990 more\n"));
}

TEST_F(ParserTest, AFileThatIsNotThereIsAMisconfiguration) {
  Trial run({}, {"EV_CONFIG=/nowhere/ev.toml"});
  EXPECT_EQ(run.code, 2);
  EXPECT_THAT(run.err.str(), AllOf(HasSubstr("--config"), HasSubstr("/nowhere/ev.toml")));
}

// B171
TEST_F(ParserTest, AnUnknownVariableIsAWarning) {
  Trial run({}, {"EV_KAFKA_BROKER=x", "PATH=/bin", "EV_CONFIG="});
  EXPECT_EQ(run.code, std::nullopt);
  EXPECT_THAT(run.parser.warnings(),
              ElementsAre("unknown environment variable EV_KAFKA_BROKER; did you mean EV_KAFKA_BROKERS?"));
  EXPECT_THAT(run.err.str(), IsEmpty()) << "the program logs it";
}

// B171
TEST_F(ParserTest, AnUnknownVariableIsSaidWhenTheProgramDoesNotRun) {
  for (const char* argument : {"--check-config", "--print-config", "--share=2"}) {
    Trial run({argument}, {"EV_NONSENSE=x"});
    EXPECT_EQ(run.code, absl::string_view(argument) == "--share=2" ? 2 : 0);
    EXPECT_THAT(run.err.str(), HasSubstr("ev-test: warning: unknown environment variable EV_NONSENSE\n"));
    EXPECT_THAT(run.out.str(), Not(HasSubstr("EV_NONSENSE")));
  }
}

// B171
TEST_F(ParserTest, AnEmptyOrMissingValueTakesNoOptionThatFollows) {
  Trial empty({"--listen=", "--grpc-port", "7"});
  EXPECT_EQ(empty.code, std::nullopt) << empty.err.str();
  EXPECT_EQ(empty.listen, "");
  EXPECT_EQ(empty.port, 7);
  Trial required({"--kafka-brokers=", "--check-config"});
  EXPECT_EQ(required.code, 2);
  EXPECT_THAT(required.err.str(), HasSubstr("--kafka-brokers: needs a value (from --kafka-brokers)"));
  Trial missing({"--kafka-brokers", "--check-config"});
  EXPECT_EQ(missing.code, 2);
  EXPECT_THAT(missing.err.str(), HasSubstr("--kafka-brokers needs a value; after it comes --check-config"));
  Trial explicit_value({"--listen=--check-config", "--window-size", "-7"});
  EXPECT_EQ(explicit_value.code, std::nullopt) << explicit_value.err.str();
  EXPECT_EQ(explicit_value.listen, "--check-config");
  EXPECT_EQ(explicit_value.window, -7);
}

TEST_F(ParserTest, AnArgumentTooManyIsNamed) {
  Trial run({"6001", "host:9092", "more"});
  EXPECT_EQ(run.code, 2);
  EXPECT_EQ(run.err.str(), "ev-test: unexpected argument \"more\" (ev-test --help)\n");
}

TEST_F(ParserTest, TheAncestorsArgumentsStandForTheirFlags) {
  Trial run({"6001", "broker:9092"});
  EXPECT_EQ(run.code, std::nullopt) << run.err.str();
  EXPECT_EQ(run.port, 6001);
  EXPECT_EQ(run.brokers, "broker:9092");
  EXPECT_EQ(run.parser.source("grpc-port"), Source::kFlag);
}

// B171
TEST_F(ParserTest, AnArgumentAndADifferentFlagForTheSameThingAreAMisconfiguration) {
  Trial different({"6001", "--grpc-port=6002"});
  EXPECT_EQ(different.code, 2);
  EXPECT_THAT(different.err.str(), AllOf(HasSubstr("--grpc-port"), HasSubstr("6001")));
  EXPECT_EQ(Trial({"6001", "--grpc-port=6001"}).code, std::nullopt);
}

TEST_F(ParserTest, AnAliasVariableCountsUnlessItContradicts) {
  EXPECT_EQ(Trial({}, {"ENGINE_LISTEN_PORT=5001"}).port, 5001);
  EXPECT_EQ(Trial({"--grpc-port=1"}, {"ENGINE_LISTEN_PORT=5001"}).port, 1);
  Trial both({}, {"ENGINE_LISTEN_PORT=5001", "EV_GRPC_PORT=5002"});
  EXPECT_EQ(both.code, 2);
  EXPECT_THAT(both.err.str(), AllOf(HasSubstr("ENGINE_LISTEN_PORT"), HasSubstr("EV_GRPC_PORT")));
}

// B171
TEST_F(ParserTest, AMisconfigurationNamesTheOptionAndWhereItsValueCameFrom) {
  struct Case {
    std::string argument;
    std::string variable;
    std::string said;
  };
  for (const Case& c : std::vector<Case>{
           {"--grpc-port=abc", "", "--grpc-port: \"abc\" is not a whole number (from --grpc-port)"},
           {"--grpc-port=65536", "", "--grpc-port: 65536 is out of range, 0 to 65535"},
           {"--grpc-port=99999999999", "", "--grpc-port: \"99999999999\" is not a whole number"},
           {"", "EV_KAFKA_LINGER=250",
            "--kafka-linger: \"250\" is not a duration such as 250ms, 30s or 1h30m (from "
            "EV_KAFKA_LINGER)"},
           {"--kafka-linger=-1s", "", "--kafka-linger: \"-1s\" is not a duration"},
           {"--kafka-linger=2s", "", "--kafka-linger: 2s is out of range, 0 to 1s"},
           {"--kafka-brokers=", "", "--kafka-brokers"},
           {"", "EV_KAFKA_BROKERS=", "--kafka-brokers: needs a value (from EV_KAFKA_BROKERS)"},
           {"--kafka-enabled=maybe", "", "--kafka-enabled: \"maybe\" is not true or false"},
           {"--kafka-config=nonsense", "", "--kafka-config: takes key=value, and got something else"},
           {"--share=nan", "", "--share: \"nan\" is not a number"},
           {"--mode=off", "", "--mode: \"off\" is not one of auto, manual"},
           {"--listen=a\nb", "", "--listen: the value contains a control character"},
           {"--listen=caf\xe9", "", "--listen: the value contains a control character or is not UTF-8"},
           {"--grpc-prot=1", "", "ev-test: unknown option --grpc-prot; did you mean --grpc-port? (ev-test --help)"},
           {"--nonsense", "", "ev-test: unknown option --nonsense (ev-test --help)"},
           {"--grpc-port", "", "ev-test: --grpc-port needs a value"},
           {"--kafka-enabled=", "", "ev-test: --kafka-enabled= needs true or false"},
       }) {
    Trial run(c.argument.empty() ? std::vector<std::string>{} : std::vector<std::string>{c.argument},
              c.variable.empty() ? std::vector<std::string>{} : std::vector<std::string>{c.variable});
    EXPECT_EQ(run.code, 2) << c.said;
    EXPECT_THAT(run.err.str(), HasSubstr(c.said));
  }
}

TEST_F(ParserTest, AllThatIsWrongIsSaidAtOnce) {
  Trial run({"--grpc-port=x", "--kafka-linger=y"});
  EXPECT_THAT(run.err.str(), AllOf(HasSubstr("--grpc-port"), HasSubstr("--kafka-linger")));
}

TEST_F(ParserTest, ASwitchNeedsNoValueAndTakesNoneFromTheNextArgument) {
  Trial run({"--kafka-enabled", "6001"}, {"EV_KAFKA_ENABLED=false"});
  EXPECT_EQ(run.code, std::nullopt) << run.err.str();
  EXPECT_TRUE(run.enabled);
  EXPECT_EQ(run.port, 6001);
  EXPECT_FALSE(Trial({"--kafka-enabled=false"}).enabled);
}

TEST_F(ParserTest, AListTakesOneValueForEachFlagAndSemicolonsInTheEnvironment) {
  Trial flags({"--kafka-config", "a=1", "--kafka-config", "b=x,y;z", "6001"});
  EXPECT_EQ(flags.code, std::nullopt) << flags.err.str();
  EXPECT_THAT(flags.extra, UnorderedElementsAre(Pair("a", "1"), Pair("b", "x,y;z")));
  EXPECT_EQ(flags.port, 6001);
  EXPECT_THAT(Trial({}, {"EV_KAFKA_CONFIG=a=1;b=x,y"}).extra, UnorderedElementsAre(Pair("a", "1"), Pair("b", "x,y")));
}

// B170
TEST_F(ParserTest, PrintConfigShowsValuesAndOriginsAndMasksSecrets) {
  Trial run({"--print-config", "--kafka-brokers=flag:1", "--kafka-config=sasl.password=hunter2",
             "--kafka-config=sasl.username=ana"},
            {"EV_KAFKA_PASSWORD=hunter2"});
  EXPECT_EQ(run.code, 0);
  const std::string text = run.out.str();
  EXPECT_THAT(text, HasSubstr("brokers = \"flag:1\"  # --kafka-brokers\n"));
  EXPECT_THAT(text, HasSubstr("linger = \"5ms\"  # default\n"));
  EXPECT_THAT(text, HasSubstr("password = \"****\"  # EV_KAFKA_PASSWORD\n"));
  EXPECT_THAT(text, HasSubstr("sasl.password=****"));
  EXPECT_THAT(text, HasSubstr("sasl.username=ana"));
  EXPECT_THAT(text, Not(HasSubstr("hunter2")));
}

// B172
TEST_F(ParserTest, NoSecretIsShownWhateverItIsCalled) {
  std::vector<std::string> arguments = {"--print-config"};
  for (const char* name :
       {"ssl.key.pem", "sasl.oauthbearer.config", "ssl.key.passphrase", "SASL.PASSWORD", "sasl.jaas.config",
        "sasl.oauthbearer.client.secret", "ssl.keystore.password", "x.token", "x_key"}) {
    arguments.push_back(std::string("--kafka-config=") + name + "=hunter2");
  }
  Trial shown(arguments);
  EXPECT_EQ(shown.code, 0);
  EXPECT_THAT(shown.out.str() + shown.err.str(), Not(HasSubstr("hunter2")));
  for (const char* argument : {"--kafka-config=hunter2", "--kafka-config==hunter2"}) {
    Trial nameless({argument});  // Its name was forgotten.
    EXPECT_EQ(nameless.code, 2);
    EXPECT_THAT(nameless.out.str() + nameless.err.str(), Not(HasSubstr("hunter2")));
  }
}

TEST_F(ParserTest, WhatPrintConfigShowsReadsBackAsTheSame) {
  Trial first({"--print-config", "--kafka-brokers=a:1,b:2", "--tag=x y", "--tag=#2", "--share=0.25", "--window-size=7",
               "--kafka-enabled=false", "6001"});
  Trial second({"--print-config", ConfigFile(first.out.str())});
  EXPECT_EQ(second.code, 0) << second.err.str();
  EXPECT_EQ(second.brokers, "a:1,b:2");
  EXPECT_THAT(second.tags, ElementsAre("x y", "#2"));
  EXPECT_EQ(second.share, 0.25);
  EXPECT_EQ(second.window, 7);
  EXPECT_FALSE(second.enabled);
  EXPECT_EQ(second.port, 6001);
}

// B170
TEST_F(ParserTest, CheckConfigExitsWithZeroOrTwo) {
  EXPECT_EQ(Trial({"--check-config"}).code, 0);
  EXPECT_EQ(Trial({"--check-config", "--share=2"}).code, 2);
}

TEST_F(ParserTest, HelpShowsOptionsDefaultsAndExamplesAndVersionTheVersion) {
  Trial help({"--help"});
  EXPECT_EQ(help.code, 0);
  EXPECT_THAT(help.out.str(), AllOf(HasSubstr("--kafka-linger DURATION"), HasSubstr("[5ms]"), HasSubstr("0 to 1s"),
                                    HasSubstr("ev-test 6001 host:9092"), HasSubstr("ENGINE_LISTEN_PORT")));
  EXPECT_THAT(help.out.str(), AllOf(HasSubstr("any setting; may be repeated"), HasSubstr("0 to 1000000000"),
                                    HasSubstr("use Kafka; true or false [true]")));
  Trial version({"--version"});
  EXPECT_EQ(version.code, 0);
  EXPECT_EQ(version.out.str(), "ev-test 1.2.3\n");
  EXPECT_THAT(version.err.str(), IsEmpty());
}

TEST(ServiceOptionsTest, TheDataDirectoryIsTheUsersUnlessNamed) {
  ::setenv("XDG_STATE_HOME", "/state", 1);
  ServiceOptions options;
  Parser parser({.name = "ev-test", .version = "1", .summary = "", .examples = {}});
  AddServiceOptions(parser, options);
  const char* argv[] = {"ev-test", "--log-format=json"};
  std::ostringstream ignored;
  EXPECT_EQ(parser.Run(2, argv, {"EV_TYPO=1"}, ignored, ignored), std::nullopt);
  EXPECT_EQ(options.data_dir, "/state/evcharge");
  testing::internal::CaptureStderr();
  StartLog(parser, options);
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              AllOf(HasSubstr("\"service\":\"ev-test\""), HasSubstr("EV_TYPO")));
  ::unsetenv("XDG_STATE_HOME");
}

// B177
TEST(ServiceOptionsTest, AnAddressThatOthersReachWantsToBeCalledInsecure) {
  const auto run = [](std::vector<const char*> argv, ServiceOptions& options) {
    Parser parser({.name = "ev-test", .version = "1", .summary = "", .examples = {}});
    AddServiceOptions(parser, options);
    argv.insert(argv.begin(), "ev-test");
    std::ostringstream out;
    std::ostringstream err;
    const auto code = parser.Run(static_cast<int>(argv.size()), argv.data(), {}, out, err);
    EXPECT_EQ(absl::StrContains(err.str(), "--insecure"), code == 2);
    return code;
  };
  ServiceOptions options{.grpc_port = 50051, .http_port = 9464};
  EXPECT_EQ(run({"--listen=0.0.0.0"}, options), 2);
  EXPECT_EQ(run({"--listen=0.0.0.0", "--insecure", "--grpc-port=50051"}, options), std::nullopt);
  EXPECT_FALSE(options.grpc_port_is_default);
  EXPECT_TRUE(options.http_port_is_default);
}

}  // namespace
}  // namespace ev::config
