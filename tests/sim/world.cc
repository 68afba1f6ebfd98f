#include "tests/sim/world.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace ev::sim {
namespace {

constexpr absl::Duration kStorm = absl::Seconds(60);
constexpr absl::Duration kLongestCalm = absl::Seconds(150);
constexpr absl::Duration kQuietCheck = absl::Seconds(1);

}  // namespace

void Tally::Add(const Tally& other) {
  events += other.events;
  asked += other.asked;
  tickets += other.tickets;
  energy_mwh += other.energy_mwh;
  denials += other.denials;
  unconfirmed += other.unconfirmed;
  expired += other.expired;
  recovered += other.recovered;
  central_crashes += other.central_crashes;
  engine_crashes += other.engine_crashes;
  monitor_crashes += other.monitor_crashes;
  cuts += other.cuts;
  gaps += other.gaps;
  duplicates += other.duplicates;
  late_samples += other.late_samples;
  produced += other.produced;
  produced_twice += other.produced_twice;
  produced_after_outage += other.produced_after_outage;
  started_without_kafka += other.started_without_kafka;
  failed_commits += other.failed_commits;
  changed_prices += other.changed_prices;
  strangers_refused += other.strangers_refused;
  manual += other.manual;
  forged += other.forged;
  for (const auto& [reason, count] : other.ended) ended[reason] += count;
  driver_crashes += other.driver_crashes;
  driver_cuts += other.driver_cuts;
  driver_repeats += other.driver_repeats;
  driver_fetches += other.driver_fetches;
  lists += other.lists;
  tickets_shown += other.tickets_shown;
}

World::World(std::uint64_t seed)
    : random_(seed), network_{.loop = loop_, .random = random_, .weather = {}}, broker_(/*partitions=*/2) {
  network_.weather.slow_percent = static_cast<int>(random_.Below(5));
  network_.weather.lost_percent = static_cast<int>(random_.Below(8));
  CentralProcess::Options central;
  central.shards = 2;
  central.shard.grant_time_to_live = absl::Seconds(8);
  central.shard.recent_rows = static_cast<std::size_t>(random_.Of<int>({0, 1, 3, 1024}));
  central.shard.dedup_window = static_cast<std::size_t>(random_.Of<int>({1, 20, 1000}));
  central.shard.dedup_seed = seed;
  central_ = std::make_unique<CentralProcess>(central, loop_, random_, network_, broker_,
                                              [this](const CpId& cp) { return shard_of_.at(cp); });
  const std::int64_t points = 1 + random_.Below(4);
  for (int i = 0; i < points; ++i) {
    ChargingPointSim::Options options;
    options.cp = CpId(absl::StrCat("cp_", i));
    options.partition = i % 2;
    options.engine.plugs_in_by_itself = !random_.Chance(20);
    options.journal_capacity = random_.Of<std::int64_t>({12, 60, 1000});
    shard_of_[options.cp] = options.partition;
    points_.push_back(std::make_unique<ChargingPointSim>(options, loop_, random_, network_, broker_, *central_));
  }
  const std::int64_t drivers = 1 + random_.Below(4);
  for (int i = 0; i < drivers; ++i) {
    const DriverId id(absl::StrCat("driver_", i));
    drivers_.push_back(std::make_unique<DriverSim>(id, loop_, random_, network_, *central_));
  }
  // Each run has some kinds of failure and not others: all of them together hide each other.
  for (int kind = 0; kind <= static_cast<int>(Fault::kLast); ++kind) {
    if (!random_.Chance(45)) continue;
    const int weight = 1 + static_cast<int>(random_.Below(3));
    for (int i = 0; i < weight; ++i) faults_.push_back(static_cast<Fault>(kind));
  }
}

World::~World() = default;

void World::Run() {
  central_->Start();
  for (const auto& point : points_) {
    point->StartEngine();
    point->StartMonitor();
  }
  for (const auto& driver : drivers_) {
    driver->Start();
    PlanDriver(*driver);
  }
  if (!faults_.empty()) PlanFaults();
  tally_.events += loop_.RunUntil(kStorm);
  Calm();
  RunUntilQuiet();
  // What is left on its way must not change anything either.
  tally_.events += loop_.RunUntil(loop_.now() + absl::Seconds(5));
  LastRound();
  RunUntilQuiet();
  Check();
}

void World::RunUntilQuiet() {
  const absl::Duration end = loop_.now() + kLongestCalm;
  while (loop_.now() < end) {
    tally_.events += loop_.RunUntil(loop_.now() + kQuietCheck);
    if (IsQuiet()) break;
  }
}

ChargingPointSim& World::AnyPoint() {
  return *points_[static_cast<std::size_t>(random_.Below(static_cast<std::int64_t>(points_.size())))];
}

DriverSim& World::AnyDriver() {
  return *drivers_[static_cast<std::size_t>(random_.Below(static_cast<std::int64_t>(drivers_.size())))];
}

void World::Wrong(std::string what) {
  wrong_.push_back(std::move(what));
}

// --- failures --------------------------------------------------------------------------------------------------------

void World::PlanFaults() {
  loop_.Every(
      storm_, [this] { return random_.Between(absl::Milliseconds(50), absl::Seconds(3)); },
      [this] { DoFault(random_.Of(faults_)); });
}

void World::DoFault(Fault fault) {
  ChargingPointSim& point = AnyPoint();
  const absl::Duration soon = random_.Between(absl::ZeroDuration(), absl::Seconds(6));
  switch (fault) {
    case Fault::kCutLink:
      return point.CutLink();
    case Fault::kCutAttach:
      return point.CutAttach();
    case Fault::kCrashCentral:
      central_->Crash();
      return loop_.After(soon, [this] { central_->Start(); });
    case Fault::kFailCommit:
      central_->FailNextCommit(random_.Chance(50));
      return loop_.After(soon, [this] { central_->Start(); });
    case Fault::kCrashMonitor:
      point.CrashMonitor();
      return loop_.After(soon, [&point] { point.StartMonitor(); });
    case Fault::kCrashEngine:
      point.CrashEngine();
      return loop_.After(soon, [&point] { point.StartEngine(); });
    case Fault::kKafkaAway:
      broker_.is_up = false;
      return loop_.After(soon * 3, [this] { broker_.is_up = true; });
    case Fault::kKafkaEmpty:
      return broker_.Recreate(random_.Chance(50));
    case Fault::kKafkaExpires:
      return broker_.Expire();
    case Fault::kGroundFault:
      point.InjectFault();
      return loop_.After(soon, [&point] { point.ClearFault(); });
    case Fault::kUnplug:
      point.Unplug();
      return loop_.After(soon, [&point] { point.PlugIn(); });
    case Fault::kOperatorStop:
      central_->SetCause(point.cp(), true);
      return loop_.After(soon, [this, &point] { central_->SetCause(point.cp(), false); });
    case Fault::kNetworkStop:
      central_->SetCause(CpId(), true);
      return loop_.After(soon, [this] { central_->SetCause(CpId(), false); });
    case Fault::kPrice:
      central_->UpdatePrice(point.cp(), random_.Below(1'000'000));
      return;
    case Fault::kManual:
      return point.Request(AnyDriver().id());
    case Fault::kStrangerStops:
      return StrangerStops(point);
    case Fault::kForgery:
      return Forge(point);
    case Fault::kCrashDriver: {
      DriverSim& driver = AnyDriver();
      driver.Crash();
      return loop_.After(soon, [&driver] { driver.Start(); });
    }
    case Fault::kCutWatch:
      return AnyDriver().CutWatch();
  }
}

void World::StrangerStops(const ChargingPointSim& point) {
  store::SessionFilter here;
  here.cp = point.cp();
  here.page_size = 1000;
  const auto page = central_->store().ListSessions(here);
  for (const Session& session : page->items) {
    central_->Stop({.call = {}, .session = session.id, .driver = DriverId("stranger")}, session.cp,
                   [this](const central::CallResult& result) {
                     const auto* failure = std::get_if<central::Failure>(&result);
                     if (failure == nullptr || failure->reason != "NOT_YOUR_SESSION")
                       return Wrong("a stranger may stop");
                     ++tally_.strangers_refused;
                   });
  }
}

// Nonsense in the name of a session whose own start or final is not settled: it must neither be booked nor settle them.
void World::Forge(ChargingPointSim& point) {
  const auto unsettled = point.disk().ReadUnsettled();
  if (unsettled.empty() || !broker_.is_up) return;
  Fact fact = random_.Of(unsettled).fact;
  for (std::uint8_t& byte : fact.message_id.bytes) byte = static_cast<std::uint8_t>(random_.Below(256));
  if (random_.Chance(50)) fact.kind = FactKind::kFinal;
  fact.energy_mwh = -1;
  broker_.Append(shard_of_.at(point.cp()), fact);
}

// --- drivers ---------------------------------------------------------------------------------------------------------

void World::PlanDriver(DriverSim& driver) {
  loop_.Every(
      storm_, [this] { return random_.Between(absl::Milliseconds(200), absl::Seconds(8)); },
      [this, &driver] { random_.Chance(10) ? AskForSeveral(driver) : AskForOne(driver); });
}

void World::AskForOne(DriverSim& driver) {
  Target target;
  if (random_.Chance(20)) target = EnergyTarget{1 + random_.Below(30'000)};
  if (random_.Chance(20)) target = AmountTarget{1 + random_.Below(10'000)};
  if (random_.Chance(10)) target = DurationTarget{random_.Between(absl::Seconds(1), absl::Seconds(10))};
  const std::string request = absl::StrCat("request ", ++last_request_);
  driver.Ask(request, AnyPoint().cp(), target);
  if (!random_.Chance(30)) return;
  loop_.After(random_.Between(absl::ZeroDuration(), absl::Seconds(10)), [&driver, request] { driver.Stop(request); });
}

// One after the other; small ones, so that the list comes to its end.
void World::AskForSeveral(DriverSim& driver) {
  std::vector<CpId> cps;
  for (std::int64_t i = 2 + random_.Below(3); i > 0; --i) cps.push_back(AnyPoint().cp());
  driver.RunList(absl::StrCat("list ", ++last_request_), cps, EnergyTarget{1 + random_.Below(3'000)});
}

// --- the calm and the reckoning --------------------------------------------------------------------------------------

// Everything that was broken is mended once; nothing is told twice.
void World::Calm() {
  storm_.reset();
  for (const auto& point : points_) {
    for (const auto& [session, final] : point->kept().finals) ++tally_.ended[final.end_reason];
  }
  loop_.After(absl::Seconds(20), [this] {
    network_.weather = {
        .usual_delay = absl::Milliseconds(20), .slow_percent = 0, .lost_percent = 0, .repeated_percent = 0};
    broker_.is_up = true;
    central_->Start();
    central_->SetCause(CpId(), false);
    for (const auto& point : points_) {
      central_->SetCause(point->cp(), false);
      point->StartEngine();
      point->StartMonitor();
      point->ClearFault();
      point->Unplug();
    }
    for (const auto& driver : drivers_) driver->Start();
  });
}

// Whatever has happened, each charging point is offered in the end, and charges.
void World::LastRound() {
  DriverSim& driver = *drivers_.front();
  const auto request_at = [](const ChargingPointSim& point) { return absl::StrCat("last at ", point.cp().value()); };
  for (const auto& point : points_) driver.Ask(request_at(*point), point->cp(), EnergyTarget{500});
  tally_.events += loop_.RunUntil(loop_.now() + absl::Seconds(2));
  for (const auto& point : points_) point->PlugIn();
  tally_.events += loop_.RunUntil(loop_.now() + absl::Seconds(2));
  for (const auto& point : points_) {
    const auto request = driver.requests().find(request_at(*point));
    if (request == driver.requests().end() || !point->meter().closings().contains(request->second.session)) {
      Wrong(absl::StrCat(point->cp().value(), " does not charge in the calm"));
    }
  }
}

bool World::IsQuiet() {
  if (!central_->is_up() || loop_.now() < kStorm + absl::Seconds(21)) return false;
  for (const auto& point : points_) {
    if (!point->has_engine() || point->disk().Stats().starts_and_finals > 0) return false;
  }
  for (const auto& driver : drivers_) {
    if (!driver->IsQuiet()) return false;
  }
  const auto views = central_->Points();
  return views.size() == points_.size() && std::all_of(views.begin(), views.end(), [](const central::PointView& view) {
           return view.state == PointState::kAvailable;
         });
}

}  // namespace ev::sim
