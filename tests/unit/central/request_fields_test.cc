#include "services/central/adapters/request_fields.h"

#include <gmock/gmock.h>

#include <set>

#include "base/error_detail.h"
#include "evcharging/common/v1/target.pb.h"
#include "tests/support/status_matchers.h"

namespace ev::central {
namespace {

using ::testing::HasSubstr;

TEST(RequestFieldsTest, AControlCharacterIsRefusedAndOtherWritingIsNot) {
  EXPECT_THAT(CheckText("reason", "Máquina rota — 壊れた 🔌", 200), IsOk());
  EXPECT_THAT(CheckText("reason", "", 200), IsOk());
  for (const char* text : {"a\nb", "\x1b[2J", "\x7f", "a\xc2\x85", "a\xc2\x9f z", "caf\xe9"}) {
    const absl::Status status = CheckText("reason", text, 200);
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("control character")));
    EXPECT_EQ(DetailOf(status).fields.at(0).field, "reason");
  }
  EXPECT_THAT(CheckText("reason", "a\xc2\xa0z", 200), IsOk());  // A no-break space.
  EXPECT_THAT(CheckText("reason", std::string(201, 'x'), 200), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(RequestFieldsTest, TextOfAPeerIsCleanedAndCutBetweenCharacters) {
  EXPECT_EQ(CleanText("a\x1b[31mb\xc2\x85z", 200), "a [31mb z");
  EXPECT_EQ(CleanText("ab", 1), "a");
  EXPECT_EQ(CleanText("a\xc3\xa9", 2), "a");  // Not half of an é.
  EXPECT_EQ(CleanText("", 5), "");
}

TEST(RequestFieldsTest, DifferentRequestsHaveDifferentKeys) {
  std::set<std::string> keys;
  for (const char* caller : {"", "a", "a|1:b", "a1"}) {
    for (const char* scope : {"", "b", "1:b", "|"}) {
      for (const char* id : {"r", "1:r", "|r"}) {
        EXPECT_TRUE(keys.insert(RequestKey(caller, "StartSession", scope, id)).second) << caller << scope << id;
      }
    }
  }
  EXPECT_EQ(RequestKey("a", "StartSession", "b", ""), "") << "without an id no repeat is recognised";
  // The store keeps keys of up to 400 bytes.
  EXPECT_LE(RequestKey(std::string(64, 'd'), "ResumeChargingPoint", std::string(68, 'c'), std::string(64, 'r')).size(),
            400u);
}

TEST(RequestFieldsTest, DifferentParametersHaveDifferentFingerprints) {
  EXPECT_NE(Fingerprint({"ab", "c"}), Fingerprint({"a", "bc"}));
  EXPECT_NE(Fingerprint({"", "a"}), Fingerprint({"a", ""}));
  const std::set<std::string> targets{Fingerprint(Target{}), Fingerprint(Target{EnergyTarget{5}}),
                                      Fingerprint(Target{AmountTarget{5}}),
                                      Fingerprint(Target{DurationTarget{absl::Nanoseconds(5)}})};
  EXPECT_EQ(targets.size(), 4u);
}

TEST(RequestFieldsTest, AnEnumNumberThatTheDomainDoesNotKnowStaysOutside) {
  for (int value : {-1, 0, 7, 1 << 20}) EXPECT_FALSE(ReadPointState("states", value).ok()) << value;
  for (int value : {-1, 0, 9}) EXPECT_FALSE(ReadSessionState("states", value).ok()) << value;
  for (int value : {-1, 4}) EXPECT_FALSE(ReadCause("cause", value).ok()) << value;
  EXPECT_EQ(*ReadCause("cause", 0), Cause::kOperator);
  EXPECT_EQ(*ReadSessionState("states", 8), SessionState::kExpired);
}

TEST(RequestFieldsTest, ATargetIsPositiveAndAPriceInRange) {
  evcharging::common::v1::Target target;
  EXPECT_TRUE(std::holds_alternative<std::monostate>(*ReadTarget("target", target)));
  target.mutable_duration()->set_seconds(90);
  EXPECT_EQ(std::get<DurationTarget>(*ReadTarget("target", target)).duration, absl::Seconds(90));
  target.mutable_duration()->set_seconds(INT64_MAX);
  EXPECT_FALSE(ReadTarget("target", target).ok());
  target.set_energy_mwh(kMaxSessionEnergyMwh);
  EXPECT_THAT(ReadTarget("target", target), IsOk());
  target.set_energy_mwh(kMaxSessionEnergyMwh + 1);
  EXPECT_FALSE(ReadTarget("target", target).ok());
}

}  // namespace
}  // namespace ev::central
