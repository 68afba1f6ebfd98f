// ChargingPointService, every method with its errors.

#include <gmock/gmock.h>

#include "tests/integration/central/central_world.h"

namespace ev::central {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ChargingPointsTest : public CentralTest {
 protected:
  absl::StatusOr<pb::StopChargingPointResponse> Stop(const std::string& cp, const std::string& request_id = "",
                                                     common::OutOfServiceCause cause = {}) {
    pb::StopChargingPointRequest request;
    request.set_charging_point_id(cp);
    request.set_cause(cause);
    request.set_reason("storm");
    request.set_requested_by("anna");
    request.set_request_id(request_id);
    return world_.Call(request);
  }
  absl::StatusOr<pb::ResumeChargingPointResponse> Resume(const std::string& cp, const std::string& request_id = "",
                                                         common::OutOfServiceCause cause = {}) {
    pb::ResumeChargingPointRequest request;
    request.set_charging_point_id(cp);
    request.set_cause(cause);
    request.set_request_id(request_id);
    return world_.Call(request);
  }
  absl::StatusOr<pb::ListChargingPointsResponse> List(const pb::ListChargingPointsRequest& request = {}) {
    return world_.Call(request);
  }
  static std::vector<std::string> Ids(const pb::ListChargingPointsResponse& response) {
    std::vector<std::string> ids;
    for (const auto& point : response.charging_points()) ids.push_back(point.charging_point_id());
    return ids;
  }

  CentralWorld world_;
};

TEST_F(ChargingPointsTest, ACreatedPointIsShownDisconnectedWithTheNetworksPrice) {
  const auto created = world_.Create("cp_009");
  ASSERT_THAT(created, IsOk());
  EXPECT_EQ(created->location(), "Harbour 4");
  EXPECT_EQ(created->price().micros_per_kwh(), 350'000);
  EXPECT_EQ(created->state(), common::CHARGING_POINT_STATE_DISCONNECTED);
  EXPECT_FALSE(created->connection().connected());
  EXPECT_FALSE(created->connection().has_last_seen_time());
  EXPECT_TRUE(created->has_create_time());
  EXPECT_THAT(world_.Create("cp_009"), Fails(absl::StatusCode::kAlreadyExists, "POINT_EXISTS"));
}

TEST_F(ChargingPointsTest, ARepeatedCreateGetsThePointAndOtherParametersAreRefused) {
  ASSERT_THAT(world_.Create("cp_009", "r1"), IsOk());
  EXPECT_THAT(world_.Create("cp_009", "r1"), IsOk());
  world_.Restart();
  EXPECT_THAT(world_.Create("cp_009", "r1"), IsOk());
  pb::CreateChargingPointRequest other;
  other.mutable_charging_point()->set_charging_point_id("cp_009");
  other.mutable_charging_point()->set_location("elsewhere");
  other.set_request_id("r1");
  const auto refused = world_.Call(other);
  EXPECT_THAT(refused, Fails(absl::StatusCode::kInvalidArgument, "REQUEST_ID_REUSED"));
  EXPECT_EQ(FieldOf(refused), "request_id");
}

TEST_F(ChargingPointsTest, BadFieldsAreNamed) {
  const auto create = [&](auto change) {
    pb::CreateChargingPointRequest request;
    request.mutable_charging_point()->set_charging_point_id("cp_009");
    change(request);
    return world_.Call(request);
  };
  using Request = pb::CreateChargingPointRequest;
  EXPECT_THAT(create([](Request& r) { r.mutable_charging_point()->set_charging_point_id("cp\n1"); }),
              FailsAtField("charging_point.charging_point_id"));
  EXPECT_THAT(create([](Request& r) { r.mutable_charging_point()->set_charging_point_id(std::string(65, 'a')); }),
              FailsAtField("charging_point.charging_point_id"));
  EXPECT_THAT(create([](Request& r) { r.mutable_charging_point()->set_location(std::string(201, 'a')); }),
              FailsAtField("charging_point.location"));
  EXPECT_THAT(create([](Request& r) { r.mutable_charging_point()->set_location("a\x1b[2J"); }),
              FailsAtField("charging_point.location"));
  EXPECT_THAT(create([](Request& r) { r.mutable_charging_point()->set_site(std::string(65, 'a')); }),
              FailsAtField("charging_point.site"));
  EXPECT_THAT(create([](Request& r) { r.set_request_id(std::string(65, 'a')); }), FailsAtField("request_id"));
  EXPECT_THAT(create([](Request& r) {
                r.mutable_charging_point()->mutable_price()->set_micros_per_kwh(-1);
                r.mutable_charging_point()->mutable_price()->set_currency("EUR");
              }),
              FailsAtField("charging_point.price.micros_per_kwh"));
  EXPECT_THAT(create([](Request& r) { r.mutable_charging_point()->mutable_price()->set_currency("euro"); }),
              FailsAtField("charging_point.price.currency"));
  EXPECT_THAT(create([](Request&) {}), IsOk());
  EXPECT_THAT(world_.Get("cp/9"), FailsAtField("charging_point_id"));
  EXPECT_THAT(world_.Get("cp_404"), Fails(absl::StatusCode::kNotFound, "POINT_UNKNOWN"));
}

// B150
TEST_F(ChargingPointsTest, AnUpdateChangesWhatTheMaskNamesAndReachesTheChargingPoint) {
  const auto monitor = Connected(world_);
  pb::UpdateChargingPointRequest request;
  request.mutable_charging_point()->set_charging_point_id("cp_001");
  request.mutable_charging_point()->set_location("ignored");
  request.mutable_charging_point()->mutable_price()->set_micros_per_kwh(400'000);
  request.mutable_charging_point()->mutable_price()->set_currency("EUR");
  request.mutable_update_mask()->add_paths("price");
  request.mutable_update_mask()->add_paths("site");
  const auto updated = world_.Call(request);
  ASSERT_THAT(updated, IsOk());
  EXPECT_EQ(updated->location(), "Calle Mayor 1, Alicante");
  EXPECT_EQ(updated->site(), "");
  EXPECT_EQ(updated->price().micros_per_kwh(), 400'000);
  const auto down = monitor->inbox().Take([](const pb::LinkDown& d) { return d.has_configuration(); });
  ASSERT_TRUE(down.has_value());
  EXPECT_EQ(down->configuration().price().micros_per_kwh(), 400'000);

  request.mutable_update_mask()->add_paths("state");
  EXPECT_THAT(world_.Call(request), FailsAtField("update_mask"));
  request.clear_update_mask();
  request.mutable_charging_point()->clear_price();
  EXPECT_EQ(world_.Call(request)->location(), "ignored");
  request.mutable_charging_point()->clear_location();
  EXPECT_THAT(world_.Call(request), FailsAtField("update_mask"));
  request.mutable_charging_point()->set_charging_point_id("cp_404");
  request.mutable_charging_point()->set_location("x");
  EXPECT_THAT(world_.Call(request), Fails(absl::StatusCode::kNotFound, "POINT_UNKNOWN"));
}

TEST_F(ChargingPointsTest, ARepeatedUpdateDoesNotUndoWhatCameAfterIt) {
  ASSERT_THAT(world_.Create("cp_009"), IsOk());
  pb::UpdateChargingPointRequest request;
  request.mutable_charging_point()->set_charging_point_id("cp_009");
  request.mutable_charging_point()->set_location("first");
  request.set_request_id("r1");
  ASSERT_THAT(world_.Call(request), IsOk());
  auto second = request;
  second.mutable_charging_point()->set_location("second");
  EXPECT_THAT(world_.Call(second), Fails(absl::StatusCode::kInvalidArgument, "REQUEST_ID_REUSED"));
  second.set_request_id("r2");
  ASSERT_THAT(world_.Call(second), IsOk());
  EXPECT_EQ(world_.Call(request)->location(), "second");
}

TEST_F(ChargingPointsTest, ADeletedPointIsGoneAndARepeatDeletesNothingElse) {
  ASSERT_THAT(world_.Create("cp_009"), IsOk());
  pb::DeleteChargingPointRequest request;
  request.set_charging_point_id("cp_009");
  request.set_request_id("r1");
  ASSERT_THAT(world_.Call(request), IsOk());
  EXPECT_THAT(world_.Get("cp_009"), Fails(absl::StatusCode::kNotFound, "POINT_UNKNOWN"));
  EXPECT_THAT(world_.Call(request), IsOk());
  ASSERT_THAT(world_.Create("cp_009"), IsOk());
  EXPECT_THAT(world_.Call(request), IsOk());
  EXPECT_THAT(world_.Get("cp_009"), IsOk()) << "the repeat of an old request deleted a new charging point";
  request.set_request_id("r2");
  EXPECT_THAT(world_.Call(request), IsOk());
  request.clear_request_id();
  EXPECT_THAT(world_.Call(request), Fails(absl::StatusCode::kNotFound, "POINT_UNKNOWN"));
  request.set_charging_point_id("");
  EXPECT_THAT(world_.Call(request), FailsAtField("charging_point_id"));
}

TEST_F(ChargingPointsTest, APointWithAnOpenSessionIsNotDeleted) {
  const auto monitor = Connected(world_);
  Granted(world_, *monitor);
  pb::DeleteChargingPointRequest request;
  request.set_charging_point_id("cp_001");
  request.set_request_id("r1");
  EXPECT_THAT(world_.Call(request), Fails(absl::StatusCode::kFailedPrecondition, "SESSION_OPEN"));
  EXPECT_THAT(world_.Call(request), Fails(absl::StatusCode::kFailedPrecondition, "SESSION_OPEN"))
      << "a refusal is not remembered as done";
}

// B150 B163
TEST_F(ChargingPointsTest, TheListIsPagedById) {
  for (const char* id : {"cp_3", "cp_1", "cp_5", "cp_2", "cp_4"}) ASSERT_THAT(world_.Create(id), IsOk());
  EXPECT_THAT(Ids(*List()), ElementsAre("cp_1", "cp_2", "cp_3", "cp_4", "cp_5"));
  pb::ListChargingPointsRequest request;
  request.set_page_size(2);
  const auto first = List(request);
  EXPECT_THAT(Ids(*first), ElementsAre("cp_1", "cp_2"));
  request.set_page_token(first->next_page_token());
  const auto second = List(request);
  EXPECT_THAT(Ids(*second), ElementsAre("cp_3", "cp_4"));
  request.set_page_token(second->next_page_token());
  const auto third = List(request);
  EXPECT_THAT(Ids(*third), ElementsAre("cp_5"));
  EXPECT_EQ(third->next_page_token(), "");

  request.set_site("centre");
  EXPECT_THAT(List(request), FailsAtField("page_token")) << "a token of another filter";
  request.set_page_token("!");
  EXPECT_THAT(List(request), FailsAtField("page_token"));
  request.clear_page_token();
  EXPECT_THAT(Ids(*List(request)), IsEmpty());
  for (int size : {-1, 1001}) {
    request.set_page_size(size);
    EXPECT_THAT(List(request), FailsAtField("page_size"));
  }
}

// B150
TEST_F(ChargingPointsTest, TheListIsFilteredByStateAndSite) {
  const auto monitor = Connected(world_);
  ASSERT_THAT(world_.Create("cp_009"), IsOk());
  pb::ListChargingPointsRequest request;
  request.add_states(common::CHARGING_POINT_STATE_AVAILABLE);
  EXPECT_THAT(Ids(*List(request)), ElementsAre("cp_001"));
  request.set_site("centre");
  EXPECT_THAT(Ids(*List(request)), ElementsAre("cp_001"));
  request.add_states(static_cast<common::ChargingPointState>(77));
  EXPECT_THAT(List(request), FailsAtField("states"));
}

TEST_F(ChargingPointsTest, AStopHoldsUntilResumedAndOneCauseDoesNotClearAnother) {
  const auto monitor = Connected(world_);
  const auto stopped = Stop("cp_001");
  ASSERT_THAT(stopped, IsOk());
  EXPECT_EQ(stopped->affected_count(), 1);
  ASSERT_EQ(stopped->charging_points_size(), 1);
  EXPECT_EQ(stopped->charging_points(0).state(), common::CHARGING_POINT_STATE_STOPPED);
  ASSERT_EQ(stopped->charging_points(0).causes_size(), 1);
  EXPECT_EQ(stopped->charging_points(0).causes(0).requested_by(), "anna");
  EXPECT_EQ(stopped->charging_points(0).causes(0).reason(), "storm");
  EXPECT_TRUE(stopped->charging_points(0).causes(0).has_set_time());
  const auto down = monitor->inbox().Take([](const pb::LinkDown& d) { return d.has_configuration(); });
  ASSERT_TRUE(down.has_value());
  ASSERT_EQ(down->configuration().causes_size(), 1);
  EXPECT_EQ(down->configuration().causes(0), common::OUT_OF_SERVICE_CAUSE_OPERATOR);
  EXPECT_THAT(world_.StartCharge(world_.StartRequest("driver_001", "cp_001")),
              Fails(absl::StatusCode::kFailedPrecondition, "POINT_STOPPED"));

  ASSERT_THAT(Stop("cp_001", "", common::OUT_OF_SERVICE_CAUSE_WEATHER), IsOk());
  const auto resumed = Resume("cp_001", "", common::OUT_OF_SERVICE_CAUSE_OPERATOR);
  ASSERT_THAT(resumed, IsOk());
  ASSERT_EQ(resumed->charging_points(0).causes_size(), 1);
  EXPECT_EQ(resumed->charging_points(0).causes(0).cause(), common::OUT_OF_SERVICE_CAUSE_WEATHER);
  EXPECT_EQ(resumed->charging_points(0).state(), common::CHARGING_POINT_STATE_STOPPED);
  EXPECT_EQ(Resume("cp_001", "", common::OUT_OF_SERVICE_CAUSE_WEATHER)->charging_points(0).state(),
            common::CHARGING_POINT_STATE_AVAILABLE);

  EXPECT_THAT(Stop("cp_404"), Fails(absl::StatusCode::kNotFound, "POINT_UNKNOWN"));
  EXPECT_THAT(Resume("cp_404"), Fails(absl::StatusCode::kNotFound, "POINT_UNKNOWN"));
  EXPECT_THAT(Stop("cp_001", "", static_cast<common::OutOfServiceCause>(9)), FailsAtField("cause"));
  EXPECT_THAT(Stop(""), FailsAtField("charging_point_id"));
  pb::StopChargingPointRequest bad;
  bad.set_charging_point_id("cp_001");
  bad.set_reason("a\tb");
  EXPECT_THAT(world_.Call(bad), FailsAtField("reason"));
  bad.set_reason("");
  bad.set_requested_by(std::string(65, 'x'));
  EXPECT_THAT(world_.Call(bad), FailsAtField("requested_by"));
}

TEST_F(ChargingPointsTest, TheRepeatOfAnOldStopStopsNothing) {
  ASSERT_THAT(world_.Create("cp_009"), IsOk());
  ASSERT_THAT(Stop("cp_009", "r1"), IsOk());
  ASSERT_THAT(Resume("cp_009", "r2"), IsOk());
  EXPECT_EQ(Stop("cp_009", "r1")->charging_points(0).causes_size(), 0);
  ASSERT_THAT(Stop("-", "r3"), IsOk());
  ASSERT_THAT(Resume("-", "r4"), IsOk());
  EXPECT_EQ(Stop("-", "r3")->charging_points(0).causes_size(), 0);
  world_.Restart();
  EXPECT_EQ(Stop("cp_009", "r1")->charging_points(0).causes_size(), 0);
  EXPECT_EQ(Stop("-", "r3")->charging_points(0).causes_size(), 0);
}

TEST_F(ChargingPointsTest, AStopForAllReachesEveryShardAndPointsRegisteredLater) {
  for (const char* id : {"cp_1", "cp_2", "cp_3", "cp_4", "cp_5"}) ASSERT_THAT(world_.Create(id), IsOk());
  ASSERT_THAT(Stop("cp_1"), IsOk());
  const auto stopped = Stop("-");
  ASSERT_THAT(stopped, IsOk());
  EXPECT_EQ(stopped->affected_count(), 5);
  EXPECT_EQ(stopped->charging_points_size(), 5);
  for (const auto& point : stopped->charging_points()) {
    EXPECT_TRUE(point.causes(point.causes_size() - 1).network_wide()) << point.charging_point_id();
  }
  const auto later = world_.Create("cp_6");
  ASSERT_EQ(later->causes_size(), 1);
  EXPECT_TRUE(later->causes(0).network_wide());

  // Resuming one leaves what was set for all; resuming all leaves what was set for one.
  EXPECT_EQ(Resume("cp_1")->charging_points(0).causes_size(), 1);
  ASSERT_THAT(Stop("cp_1"), IsOk());
  const auto resumed = Resume("-");
  ASSERT_THAT(resumed, IsOk());
  EXPECT_EQ(resumed->affected_count(), 6);
  for (const auto& point : resumed->charging_points()) {
    EXPECT_EQ(point.causes_size(), point.charging_point_id() == "cp_1" ? 1 : 0);
  }
}

// B162
TEST_F(ChargingPointsTest, ACallWithoutADeadlineIsAnswered) {
  ASSERT_THAT(world_.Create("cp_009"), IsOk());
  const auto point = world_.GetWithoutDeadline("cp_009");
  ASSERT_THAT(point, IsOk());
  EXPECT_EQ(point->charging_point_id(), "cp_009");
}

}  // namespace
}  // namespace ev::central
