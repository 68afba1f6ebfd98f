#ifndef EV_TESTS_UNIT_ENGINE_ENGINE_WORLD_H_
#define EV_TESTS_UNIT_ENGINE_ENGINE_WORLD_H_

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/id_source.h"
#include "domain/money.h"
#include "journal/inmemory/memory_fact_log.h"
#include "services/engine/core/engine.h"

namespace ev::engine {

// An Engine's core with what surrounds it, by hand: a clock that is moved, a meter of a round 3,600 W (1,000 mWh a
// second), a log that outlives the core, and a Monitor that speaks when told to.
class EngineWorld {
 public:
  explicit EngineWorld(EngineOptions opts = ManualPlug(), std::int64_t capacity = 1000)
      : options(opts), log("0123456789abcdef0123456789abcdef", capacity) {
    Restart();
  }

  static EngineOptions ManualPlug() {
    EngineOptions options;
    options.plugs_in_by_itself = false;
    return options;
  }

  void Restart() {
    contactor_limit.reset();
    core = std::make_unique<Engine>(options, *log.Load(), Read(), now, ids);
    Settle();
  }

  MeterReading Read() const { return {.register_mwh = register_mwh, .power_w = contactor_limit ? kPowerW : 0}; }

  // Does what the core wants, as the host does.
  void Settle() {
    for (;;) {
      Outcome outcome = core->TakeOutcome(now);
      const bool open = outcome.open_contactor;
      if (outcome.close_contactor_at_mwh) contactor_limit = outcome.close_contactor_at_mwh;
      if (open) {
        contactor_limit.reset();
        core->ContactorOpened(Read(), Opening::kCommanded, now);
      }
      std::vector<SessionId> started;
      if (!outcome.log.empty() && !log_failure.ok()) {
        core->LogFailed(std::exchange(log_failure, absl::OkStatus()).message(), now);
      } else if (!outcome.log.empty()) {
        if (auto status = log.Write(outcome.log); !status.ok()) core->LogFailed(status.message(), now);
        for (const Fact& fact : outcome.log.facts) {
          facts.push_back(fact);
          if (fact.kind == FactKind::kStart && writes_start) started.push_back(fact.session);
        }
      }
      for (const SessionId& session : started) core->StartWritten(session, now);
      if (outcome.status) statuses.push_back(*outcome.status);
      std::move(outcome.requests.begin(), outcome.requests.end(), std::back_inserter(requests));
      std::move(outcome.request_results.begin(), outcome.request_results.end(), std::back_inserter(results));
      for (const Note& note : outcome.notes) {
        notes.emplace_back(note.message);
        if (!note.trace.empty()) traced_notes[TraceIdText(note.trace)].emplace_back(note.message);
      }
      if (outcome.produce_again) ++produced_again;
      if (!open && outcome.log.empty() && !outcome.close_contactor_at_mwh) return;
    }
  }

  // Time passes in steps of 100 ms; the Monitor and Central speak every second unless they are silenced.
  void Advance(absl::Duration by) {
    for (absl::Duration done; done < by; done += kStep) {
      now.utc += kStep;
      now.monotonic += kStep;
      std::optional<Opening> opening;
      if (contactor_limit) {
        register_mwh = std::min(register_mwh + kPowerW * 100 / 3600, *contactor_limit);
        if (register_mwh == *contactor_limit) opening = Opening::kLimitReached;
        if (vehicle_full_at && register_mwh >= *vehicle_full_at) opening = Opening::kVehicleFull;
      }
      if (opening) {
        contactor_limit.reset();
        core->ContactorOpened(Read(), *opening, now);
        Settle();
      }
      if (now.monotonic >= next_beat) {
        next_beat = now.monotonic + absl::Seconds(1);
        if (monitor_speaks) (void)Beat();
      }
      core->Tick(Read(), now);
      Settle();
    }
  }

  absl::Status Beat() {
    const absl::Status status = core->Hear(
        {.cp = cp, .epoch = epoch, .central_age = central_speaks ? std::optional(absl::ZeroDuration()) : std::nullopt},
        now);
    Settle();
    return status;
  }

  void Configure(std::vector<OutOfService> causes = {}) {
    core->Configure({.epoch = epoch, .price = price, .causes = std::move(causes), .highest_grant = highest_grant}, now);
    Settle();
  }

  // A Monitor comes with a fresh link, and Central's configuration arrives.
  void NewLink() {
    epoch = epoch.Next();
    monitor_speaks = central_speaks = true;
    (void)Beat();
    Configure();
  }

  Grant MakeGrant(Target target = {}) {
    highest_grant = highest_grant.Next();
    return {.session = SessionId(ids.NewRandomHex()),
            .cp = cp,
            .number = highest_grant,
            .driver = DriverId("driver_001"),
            .price = price,
            .target = target,
            .authorised = now.utc,
            .key_id = {},
            .signature = {}};
  }

  CommandAnswer Prepare(const Grant& grant, absl::Duration ttl = kDefaultPlugInTimeToLive) {
    CommandAnswer answer = core->Prepare({.grant = grant, .plug_in_time_to_live = ttl}, now);
    Settle();
    return answer;
  }
  CommandAnswer Cancel(const Grant& grant) {
    CommandAnswer answer = core->Cancel({.number = grant.number, .session = grant.session}, now);
    Settle();
    return answer;
  }
  CommandAnswer Stop(const SessionId& session, EndReason reason = EndReason::kDriverStop) {
    CommandAnswer answer = core->Stop({.session = session, .reason = reason}, now);
    Settle();
    return answer;
  }
  void PlugIn() {
    core->PlugIn(now);
    Settle();
  }
  void Unplug() {
    core->Unplug(now);
    Settle();
  }
  void Book(const SessionId& session, bool start = true, bool final = true) {
    core->Settle({{.session = session, .start = start, .final = final, .refused = false, .reason = {}}}, now);
    Settle();
  }
  // Central has put this very fact aside.
  void Refuse(const Fact& fact) {
    const bool is_final = fact.kind == FactKind::kFinal;
    core->Settle({{.session = fact.session,
                   .start = !is_final,
                   .final = is_final,
                   .refused = true,
                   .reason = "NONSENSE",
                   .message_id = fact.message_id}},
                 now);
    Settle();
  }

  // A running charge, from nothing.
  Grant StartCharge(Target target = {}) {
    if (epoch == LinkEpoch()) NewLink();
    const Grant grant = MakeGrant(target);
    (void)Prepare(grant);
    PlugIn();
    return grant;
  }

  std::vector<Fact> Facts(FactKind kind) const {
    std::vector<Fact> result;
    std::copy_if(facts.begin(), facts.end(), std::back_inserter(result), [&](const Fact& f) { return f.kind == kind; });
    return result;
  }
  Fact LastFinal() const {
    const auto finals = Facts(FactKind::kFinal);
    return finals.empty() ? Fact() : finals.back();
  }
  Status status() const { return core->GetStatus(now); }
  EngineReport report() const { return core->GetStatus(now).report; }
  bool charging() const { return status().energy_flows; }

  static constexpr std::int64_t kPowerW = 3600;
  static constexpr absl::Duration kStep = absl::Milliseconds(100);

  EngineOptions options;
  RandomIdSource ids{7};
  journal::MemoryFactLog log;
  Moment now{.utc = absl::FromUnixSeconds(1'750'000'000), .monotonic = absl::Hours(5)};
  std::int64_t register_mwh = 5'000'000;
  std::optional<std::int64_t> contactor_limit;  // Closed while set.
  std::optional<std::int64_t> vehicle_full_at;
  absl::Status log_failure;  // Of the next write.
  bool writes_start = true;

  CpId cp{"cp_001"};
  LinkEpoch epoch;
  GrantNumber highest_grant;
  Price price{.micros_per_kwh = 350'000, .currency = "EUR"};
  bool monitor_speaks = false;
  bool central_speaks = false;
  absl::Duration next_beat = absl::Hours(5);

  std::vector<Fact> facts;
  std::vector<Status> statuses;
  std::vector<PointRequest> requests;
  std::vector<RequestResult> results;
  std::vector<std::string> notes;
  std::map<std::string, std::vector<std::string>> traced_notes;  // By trace id.
  int produced_again = 0;

  std::unique_ptr<Engine> core;
};

}  // namespace ev::engine

#endif  // EV_TESTS_UNIT_ENGINE_ENGINE_WORLD_H_
