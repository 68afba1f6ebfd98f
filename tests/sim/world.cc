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
  operator_stops += other.operator_stops;
  faults += other.faults;
  targets += other.targets;
  manual += other.manual;
  restarted_finals += other.restarted_finals;
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
  for (int i = 0; i < drivers; ++i) drivers_.push_back(DriverId(absl::StrCat("driver_", i)));
  // Each run has some kinds of failure and not others: all of them together hide each other.
  for (int kind = 0; kind <= static_cast<int>(Fault::kStrangerStops); ++kind) {
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
  for (const DriverId& driver : drivers_) PlanDriver(driver);
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
      ++tally_.faults;
      point.InjectFault();
      return loop_.After(soon, [&point] { point.ClearFault(); });
    case Fault::kUnplug:
      point.Unplug();
      return loop_.After(soon, [&point] { point.PlugIn(); });
    case Fault::kOperatorStop:
      ++tally_.operator_stops;
      central_->SetCause(point.cp(), true);
      return loop_.After(soon, [this, &point] { central_->SetCause(point.cp(), false); });
    case Fault::kNetworkStop:
      ++tally_.operator_stops;
      central_->SetCause(CpId(), true);
      return loop_.After(soon, [this] { central_->SetCause(CpId(), false); });
    case Fault::kPrice:
      central_->UpdatePrice(point.cp(), random_.Below(1'000'000));
      return;
    case Fault::kManual:
      ++tally_.manual;
      return point.Request(random_.Of(drivers_));
    case Fault::kStrangerStops:
      for (const auto& [session, key] : key_of_) {
        const Ask& ask = asks_[key];
        if (ask.cp == point.cp()) StopByDriver(session, DriverId("stranger"), ask.cp, true);
      }
      return;
  }
}

// --- drivers ---------------------------------------------------------------------------------------------------------

void World::PlanDriver(const DriverId& driver) {
  loop_.Every(
      storm_, [this] { return random_.Between(absl::Milliseconds(200), absl::Seconds(8)); },
      [this, driver] { NewAsk(driver); });
}

void World::NewAsk(const DriverId& driver) {
  ++tally_.asked;
  const std::string key = absl::StrCat("request ", tally_.asked);
  Ask& ask = asks_[key];
  ask.driver = driver;
  ask.cp = AnyPoint().cp();
  if (random_.Chance(20)) ask.target = EnergyTarget{1 + random_.Below(30'000)};
  if (random_.Chance(20)) ask.target = AmountTarget{1 + random_.Below(10'000)};
  if (random_.Chance(10)) ask.target = DurationTarget{random_.Between(absl::Seconds(1), absl::Seconds(10))};
  Send(key, 1);
}

// Sends it, and again for as long as no answer has come: the same request, by its id.
void World::Send(const std::string& key, int attempt) {
  const Ask& ask = asks_[key];
  if (ask.is_done || attempt > 5) return;
  const int times = network_.Loses() ? 0 : network_.Repeats() ? 2 : 1;
  for (int i = 0; i < times; ++i) {
    loop_.After(network_.Delay(), [this, key] {
      const Ask& asked = asks_[key];
      central_->Start(
          {.request_key = key, .fingerprint = "same", .driver = asked.driver, .cp = asked.cp, .target = asked.target},
          [this, key](const central::CallResult& result) {
            if (network_.Loses()) return;
            loop_.After(network_.Delay(), [this, key, result] { OnStartResult(key, result); });
          });
    });
  }
  loop_.After(random_.Between(absl::Seconds(3), absl::Seconds(6)), [this, key, attempt] { Send(key, attempt + 1); });
}

void World::OnStartResult(const std::string& key, const central::CallResult& result) {
  Ask& ask = asks_[key];
  ask.is_done = true;
  SessionId session;
  if (const auto* failure = std::get_if<central::Failure>(&result)) {
    ++tally_.denials;
    session = failure->session;
    if (session.empty()) {
      if (!ask.session.empty()) Wrong(absl::StrCat(key, " was denied after it had got session ", ask.session.value()));
      // A point that nobody knows yet leaves nothing behind.
      ask.is_denied = failure->denial != DenialReason::kPointUnknown;
      return;
    }
  }
  if (const auto* got = std::get_if<Session>(&result)) {
    session = got->id;
    if (got->driver != ask.driver || got->cp != ask.cp) Wrong(absl::StrCat(key, " got somebody else's session"));
    if (got->state == SessionState::kUnconfirmed) ++tally_.unconfirmed;
  }
  if (ask.is_denied) Wrong(absl::StrCat(key, " got session ", session.value(), " after it had been denied"));
  if (!ask.session.empty() && ask.session != session) {
    Wrong(absl::StrCat(key, " made two sessions, ", ask.session.value(), " and ", session.value()));
  }
  const bool is_first = ask.session.empty();
  ask.session = session;
  key_of_[session] = key;
  if (is_first && random_.Chance(30)) {
    loop_.After(random_.Between(absl::ZeroDuration(), absl::Seconds(10)),
                [this, session, driver = ask.driver, cp = ask.cp] { StopByDriver(session, driver, cp, false); });
  }
}

void World::StopByDriver(const SessionId& session, const DriverId& driver, const CpId& cp, bool is_stranger) {
  central_->Stop({.call = {}, .session = session, .driver = driver}, cp,
                 [this, is_stranger](const central::CallResult& result) {
                   const auto* failure = std::get_if<central::Failure>(&result);
                   const bool is_refused = failure != nullptr && failure->reason == "NOT_YOUR_SESSION";
                   if (is_stranger != is_refused) Wrong("a stop was not decided by whose session it is");
                 });
}

// --- the calm and the reckoning --------------------------------------------------------------------------------------

// Everything that was broken is mended once; nothing is told twice.
void World::Calm() {
  storm_.reset();
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
  });
}

// Whatever has happened, each charging point is offered in the end, and charges.
void World::LastRound() {
  for (const auto& point : points_) {
    Ask& ask = asks_[absl::StrCat("last request at ", point->cp().value())];
    ask = {.driver = drivers_.front(), .cp = point->cp(), .target = EnergyTarget{500}};
    central_->Start(
        {.driver = ask.driver, .cp = ask.cp, .target = ask.target}, [this, &ask](const central::CallResult& result) {
          if (const auto* session = std::get_if<Session>(&result)) {
            ask.session = session->id;
          } else {
            Wrong(absl::StrCat(ask.cp.value(),
                               " is not offered in the calm: ", std::get<central::Failure>(result).status.message()));
          }
        });
  }
  tally_.events += loop_.RunUntil(loop_.now() + absl::Seconds(2));
  for (const auto& point : points_) point->PlugIn();
  tally_.events += loop_.RunUntil(loop_.now() + absl::Seconds(2));
  for (const auto& point : points_) {
    const SessionId& session = asks_[absl::StrCat("last request at ", point->cp().value())].session;
    if (!point->meter().closings().contains(session)) {
      Wrong(absl::StrCat(point->cp().value(), " does not charge in the calm"));
    }
  }
}

bool World::IsQuiet() {
  if (!central_->is_up() || loop_.now() < kStorm + absl::Seconds(21)) return false;
  for (const auto& point : points_) {
    if (!point->has_engine() || point->disk().Stats().starts_and_finals > 0) return false;
  }
  const auto views = central_->Points();
  return views.size() == points_.size() && std::all_of(views.begin(), views.end(), [](const central::PointView& view) {
           return view.state == PointState::kAvailable;
         });
}

}  // namespace ev::sim
