#include "journal/fact_log.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "journal/inmemory/memory_fact_log.h"

namespace ev::journal {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

class FactLogTest : public ::testing::Test {
 protected:
  Fact Make(FactKind kind, const char* session, std::int64_t sequence, std::int64_t energy = 0) {
    Fact fact;
    fact.message_id = ids.NewMessageId(absl::FromUnixSeconds(1'750'000'000));
    fact.kind = kind;
    fact.session = SessionId(session);
    fact.sequence = sequence;
    fact.energy_mwh = energy;
    return fact;
  }
  absl::Status Write(std::vector<Fact> facts) {
    return log.Write({.cp = {}, .mark = {}, .facts = facts, .settled = {}});
  }
  std::vector<std::int64_t> Sequences() {
    std::vector<std::int64_t> result;
    for (const StoredFact& stored : log.Read(0, 1000)) result.push_back(stored.fact.sequence);
    return result;
  }

  RandomIdSource ids{3};
  MemoryFactLog log{"id", 10};
};

TEST_F(FactLogTest, FactsAreReadInTheOrderOfWriting) {
  ASSERT_TRUE(Write({Make(FactKind::kStart, "a", 0), Make(FactKind::kSample, "a", 1)}).ok());
  ASSERT_TRUE(Write({Make(FactKind::kFinal, "a", 2)}).ok());
  EXPECT_THAT(Sequences(), ElementsAre(0, 1, 2));
  const auto first = log.Read(0, 1);
  ASSERT_THAT(first, SizeIs(1));
  EXPECT_THAT(log.Read(first[0].position, 10), SizeIs(2));
}

TEST_F(FactLogTest, AnAcknowledgementTrimsASampleButNeverAStartOrAFinal) {
  ASSERT_TRUE(
      Write({Make(FactKind::kStart, "a", 0), Make(FactKind::kSample, "a", 1), Make(FactKind::kFinal, "a", 2)}).ok());
  for (const StoredFact& stored : log.Read(0, 10)) log.Acknowledge(stored.position);
  EXPECT_THAT(Sequences(), ElementsAre(0, 2));
  EXPECT_THAT(log.ReadUnsettled(), SizeIs(2));
}

TEST_F(FactLogTest, UnbookedAreTheChargesWhoseFinalWaitsOrIsMissingWithWhatWasSaidLast) {
  ASSERT_TRUE(
      Write({Make(FactKind::kStart, "a", 0), Make(FactKind::kFinal, "a", 1, 500), Make(FactKind::kStart, "b", 0),
             Make(FactKind::kFinal, "b", 1, 700), Make(FactKind::kStart, "c", 0), Make(FactKind::kSample, "c", 1, 40)})
          .ok());
  ASSERT_TRUE(
      log.Write({.cp = {}, .mark = {}, .facts = {}, .settled = {{.session = SessionId("b"), .final = true}}}).ok());
  const auto unbooked = UnbookedCharges(*log.Load());
  ASSERT_THAT(unbooked, SizeIs(2));
  EXPECT_EQ(unbooked[0].session, SessionId("a"));
  EXPECT_EQ(unbooked[0].energy_mwh, 500);
  EXPECT_EQ(unbooked[1].session, SessionId("c"));
  EXPECT_EQ(unbooked[1].energy_mwh, 40);
}

TEST_F(FactLogTest, ASettlementFreesExactlyWhatItNames) {
  ASSERT_TRUE(
      Write({Make(FactKind::kStart, "a", 0), Make(FactKind::kFinal, "a", 1), Make(FactKind::kStart, "b", 0)}).ok());
  ASSERT_TRUE(
      log.Write({.cp = {}, .mark = {}, .facts = {}, .settled = {{.session = SessionId("a"), .start = true}}}).ok());
  const auto left = log.ReadUnsettled();
  ASSERT_THAT(left, SizeIs(2));
  EXPECT_EQ(left[0].fact.kind, FactKind::kFinal);
  EXPECT_EQ(left[1].fact.session, SessionId("b"));
}

TEST_F(FactLogTest, TheOldestSamplesAreThinnedWhenItIsFullAndStartsAndFinalsNever) {
  ASSERT_TRUE(Write({Make(FactKind::kStart, "a", 0)}).ok());
  for (int i = 1; i <= 30; ++i) ASSERT_TRUE(Write({Make(FactKind::kSample, "a", i)}).ok());
  ASSERT_TRUE(Write({Make(FactKind::kFinal, "a", 31)}).ok());
  const auto sequences = Sequences();
  EXPECT_LE(sequences.size(), 10u);
  EXPECT_EQ(sequences.front(), 0);
  EXPECT_EQ(sequences.back(), 31);
  EXPECT_EQ(sequences[sequences.size() - 2], 30) << "the newest sample stays";
  EXPECT_GT(log.Stats().thinned, 0);
}

TEST_F(FactLogTest, ALogFullOfStartsAndFinalsRefusesAndKeepsWhatItHas) {
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(Write({Make(FactKind::kFinal, "a", i)}).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(Write({Make(FactKind::kSample, "a", 10)})));
  EXPECT_THAT(Sequences(), SizeIs(10));
}

TEST_F(FactLogTest, ASettlementInTheSameWriteMakesRoom) {
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(Write({Make(FactKind::kFinal, i == 0 ? "a" : "b", i)}).ok());
  EXPECT_TRUE(log.Write({.cp = {},
                         .mark = {},
                         .facts = {Make(FactKind::kFinal, "c", 1)},
                         .settled = {{.session = SessionId("a"), .start = false, .final = true}}})
                  .ok());
}

TEST_F(FactLogTest, WhatWasWrittenIsThereAfterTheEnginesDeath) {
  ASSERT_TRUE(log.Write({.cp = CpId("cp_001"),
                         .mark = GrantNumber(7),
                         .facts = {Make(FactKind::kStart, "a", 0), Make(FactKind::kSample, "a", 1, 40)},
                         .settled = {{.session = SessionId("x"), .start = true}}})
                  .ok());
  const LogContents contents = *log.Load();
  EXPECT_EQ(contents.cp, CpId("cp_001"));
  EXPECT_EQ(contents.mark, GrantNumber(7));
  ASSERT_TRUE(contents.open.has_value());
  EXPECT_EQ(contents.open->last_sequence, 1);
  EXPECT_EQ(contents.open->last_energy_mwh, 40);
  ASSERT_TRUE(Write({Make(FactKind::kFinal, "a", 2)}).ok());
  EXPECT_FALSE(log.Load()->open.has_value());
  EXPECT_THAT(log.Load()->unsettled, SizeIs(2));
}

TEST_F(FactLogTest, AStartThatIsSettledWhileItsSessionRunsIsStillKnownAfterACrash) {
  ASSERT_TRUE(Write({Make(FactKind::kStart, "a", 0)}).ok());
  ASSERT_TRUE(
      log.Write({.cp = {}, .mark = {}, .facts = {}, .settled = {{.session = SessionId("a"), .start = true}}}).ok());
  EXPECT_TRUE(log.Load()->open.has_value());
}

TEST_F(FactLogTest, TheQuarantineIsBounded) {
  MemoryFactLog big("id", 1000);
  for (int i = 0; i < 100; ++i) {
    const std::string session = "s" + std::to_string(i);
    ASSERT_TRUE(
        big.Write({.cp = {}, .mark = {}, .facts = {Make(FactKind::kFinal, session.c_str(), 1)}, .settled = {}}).ok());
    ASSERT_TRUE(big.Write({.cp = {},
                           .mark = {},
                           .facts = {},
                           .settled = {{.session = SessionId(session), .start = true, .final = true, .refused = true}}})
                    .ok());
  }
  EXPECT_EQ(big.Stats().quarantined, 64);
  EXPECT_EQ(big.Stats().starts_and_finals, 0);
}

}  // namespace
}  // namespace ev::journal
