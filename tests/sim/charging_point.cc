#include "tests/sim/charging_point.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace ev::sim {
namespace {

constexpr absl::Duration kTick = absl::Milliseconds(200);

}  // namespace

ChargingPointSim::ChargingPointSim(Options options, EventLoop& loop, Random& random, Network& network, Broker& broker,
                                   CentralProcess& central)
    : options_(std::move(options)),
      loop_(loop),
      random_(random),
      network_(network),
      broker_(broker),
      central_(central),
      meter_(loop, random),
      disk_(absl::StrCat("disk of ", options_.cp.value()), options_.journal_capacity) {}

// --- Engine ----------------------------------------------------------------------------------------------------------

void ChargingPointSim::StartEngine() {
  if (engine_ != nullptr) return;
  engine_ = std::make_unique<EngineRun>();
  engine_->clock.emplace(loop_, random_);
  engine_->ids.emplace(random_.Next());
  engine_->core.emplace(options_.engine, disk_.Load().value(), meter_.Read(), engine_->clock->Now(), *engine_->ids);
  loop_.Every(
      engine_->life, [] { return kTick; }, [this] { TickEngine(); });
  loop_.Every(
      engine_->life, [this] { return random_.Between(absl::Milliseconds(50), absl::Milliseconds(200)); },
      [this] { Pump(); });
  Apply([](engine::Engine&, Moment) {});  // What the start itself has decided.
}

void ChargingPointSim::CrashEngine() {
  if (engine_ == nullptr) return;
  ++engine_crashes;
  meter_.Open();
  const std::unique_ptr<EngineRun> dead = std::move(engine_);
  for (const AttachHandle& attach : dead->attached) {
    if (random_.Chance(80)) attach->stream->ServerDied();
  }
}

void ChargingPointSim::Apply(const Decide& decide, std::function<void(const absl::Status&)> then) {
  const Moment now = engine_->clock->Now();
  decide(*engine_->core, now);
  engine_->items.push_back({.outcome = ServeMeter(now), .then = std::move(then)});
  PlanWrite();
}

engine::Outcome ChargingPointSim::ServeMeter(Moment now) {
  engine::Engine& core = *engine_->core;
  engine::Outcome outcome = core.TakeOutcome(now);
  while (outcome.open_contactor || outcome.close_contactor_at_mwh) {
    if (outcome.close_contactor_at_mwh) {
      const engine::Status status = core.GetStatus(now);
      if (!status.report.plugged_in) wrong.push_back("energy flows without a vehicle");
      if (!kept_.starts.contains(status.grant->session)) wrong.push_back("energy flows before its start is kept");
      meter_.Close(status.grant->session, *outcome.close_contactor_at_mwh);
    }
    if (outcome.open_contactor) {
      meter_.Open();
      core.ContactorOpened(meter_.Read(), engine::Opening::kCommanded, now);
    }
    outcome.open_contactor = false;
    outcome.close_contactor_at_mwh.reset();
    outcome.Append(core.TakeOutcome(now));
  }
  return outcome;
}

void ChargingPointSim::PlanWrite() {
  if (std::exchange(engine_->is_writing, true)) return;
  loop_.After(engine_->life, random_.Between(absl::Microseconds(100), absl::Milliseconds(20)),
              [this] { WriteAndShow(); });
}

void ChargingPointSim::WriteAndShow() {
  engine_->is_writing = false;
  std::deque<Item> items;
  items.swap(engine_->items);
  journal::LogWrite all;
  for (const Item& item : items) all.Append(item.outcome.log);
  const absl::Status together = Write(all);
  for (Item& item : items) Show(item, together.ok() ? together : Write(item.outcome.log));
}

absl::Status ChargingPointSim::Write(const journal::LogWrite& write) {
  if (write.empty()) return absl::OkStatus();
  const absl::Status status = disk_.Write(write);
  if (!status.ok()) {
    ++kept_.failed_writes;
    return status;
  }
  for (const Fact& fact : write.facts) {
    if (fact.kind == FactKind::kFinal && !kept_.finals.emplace(fact.session, fact).second) ++kept_.double_finals;
    if (fact.kind != FactKind::kStart) continue;
    kept_.starts.emplace(fact.session, fact);
    started_without_kafka += broker_.is_up ? 0 : 1;
    Apply([&](engine::Engine& core, Moment now) { core.StartWritten(fact.session, now); });
  }
  return absl::OkStatus();
}

void ChargingPointSim::Show(Item& item, const absl::Status& kept) {
  if (!kept.ok()) {
    Apply([&](engine::Engine& core, Moment now) { core.LogFailed(kept.message(), now); });
  }
  // To the Monitor with the newest link.
  AttachHandle newest;
  for (const AttachHandle& attach : engine_->attached) {
    if (attach->stream->is_open_at_server() && (newest == nullptr || attach->epoch >= newest->epoch)) newest = attach;
  }
  for (const PointRequest& request : item.outcome.requests) {
    if (newest == nullptr) continue;
    newest->stream->ToClient([this, id = newest->id, request] {
      ApplyMonitor([&](monitor::Monitor& core, Moment now) { core.EngineRequested(id, request, now); });
    });
  }
  if (item.outcome.produce_again) {
    for (const journal::StoredFact& stored : disk_.ReadUnsettled()) {
      if (stored.position <= engine_->cursor && !engine_->in_flight.contains(stored.position)) {
        engine_->again.insert(stored.position);
      }
    }
  }
  if (item.outcome.status) {
    for (const AttachHandle& attach : engine_->attached) {
      attach->stream->ToClient([this, id = attach->id, report = item.outcome.status->report] {
        ApplyMonitor([&](monitor::Monitor& core, Moment now) { core.EngineReported(id, report, now); });
      });
    }
  }
  if (item.then) item.then(kept);
}

void ChargingPointSim::TickEngine() {
  Apply([this](engine::Engine& core, Moment now) {
    if (const auto opening = meter_.TakeOpening()) core.ContactorOpened(meter_.Read(), *opening, now);
    core.Tick(meter_.Read(), now);
  });
}

void ChargingPointSim::OnAttachUp(const AttachHandle& attach, const monitor::SendAttach& message) {
  absl::Status heard;
  Apply([&](engine::Engine& core, Moment now) {
    heard = core.Hear({.cp = options_.cp, .epoch = message.epoch, .central_age = message.central_age}, now);
    if (!heard.ok()) return;
    if (message.configuration) core.Configure(*message.configuration, now);
    if (!message.settlements.empty()) core.Settle(message.settlements, now);
    for (const PointRequestAnswer& answer : message.answers) core.AnswerRequest(answer, now);
  });
  if (!heard.ok()) return attach->stream->CloseByServer(heard);
  attach->epoch = message.epoch;
}

void ChargingPointSim::OnCommand(const monitor::Forward& forward,
                                 std::function<void(absl::StatusOr<CommandAnswer>)> done) {
  auto answer = std::make_shared<absl::StatusOr<CommandAnswer>>(absl::InternalError("not decided"));
  Apply(
      [&](engine::Engine& core, Moment now) {
        if (auto status = core.CheckLink(forward.epoch); !status.ok()) {
          *answer = status;
        } else if (const auto* prepare = std::get_if<PrepareSession>(&forward.command.body)) {
          *answer = core.Prepare(*prepare, now);
        } else if (const auto* cancel = std::get_if<CancelGrant>(&forward.command.body)) {
          *answer = core.Cancel(*cancel, now);
        } else {
          *answer = core.Stop(std::get<StopSession>(forward.command.body), now);
        }
      },
      [answer, done = std::move(done)](const absl::Status& kept) { done(kept.ok() ? *answer : kept); });
}

void ChargingPointSim::PlugIn() {
  if (engine_ != nullptr) Apply([](engine::Engine& core, Moment now) { core.PlugIn(now); });
}
void ChargingPointSim::Unplug() {
  if (engine_ != nullptr) Apply([](engine::Engine& core, Moment now) { core.Unplug(now); });
}
void ChargingPointSim::InjectFault() {
  if (engine_ != nullptr) Apply([](engine::Engine& core, Moment now) { core.InjectFault("ground fault", now); });
}
void ChargingPointSim::ClearFault() {
  if (engine_ != nullptr) Apply([](engine::Engine& core, Moment now) { core.ClearFault(now); });
}
void ChargingPointSim::Request(const DriverId& driver) {
  if (engine_ == nullptr) return;
  Apply([&](engine::Engine& core, Moment now) {
    core.RequestSession(next_token_++, {.request_id = {}, .driver = driver, .target = {}, .waited = {}}, now);
  });
}

// --- the producer ----------------------------------------------------------------------------------------------------

void ChargingPointSim::Pump() {
  const bool was_away = std::exchange(engine_->is_kafka_away, !broker_.is_up);
  if (!broker_.is_up) return;
  std::vector<journal::StoredFact> batch;
  for (std::int64_t position : std::exchange(engine_->again, {})) {
    auto found = disk_.Read(position - 1, 1);
    if (!found.empty() && found[0].position == position) batch.push_back(std::move(found[0]));
  }
  for (journal::StoredFact& stored : disk_.Read(engine_->cursor, 50)) batch.push_back(std::move(stored));
  if (was_away) produced_after_outage += static_cast<std::int64_t>(batch.size());
  for (const journal::StoredFact& stored : batch) {
    if (!engine_->in_flight.contains(stored.position)) Publish(stored);
  }
}

// In order; an acknowledgement that is lost makes it come again.
void ChargingPointSim::Publish(const journal::StoredFact& stored) {
  engine_->cursor = std::max(engine_->cursor, stored.position);
  engine_->in_flight.insert(stored.position);
  engine_->last_append = std::max(engine_->last_append, loop_.now() + network_.Delay());
  // What has left the process arrives, also when the process dies meanwhile.
  loop_.After(engine_->last_append - loop_.now(), [this, stored, alive = std::weak_ptr<int>(engine_->life)] {
    const bool arrives = broker_.is_up && !network_.Loses();
    if (arrives) {
      broker_.Append(options_.partition, stored.fact);
      ++produced;
    }
    if (alive.expired()) return;
    engine_->in_flight.erase(stored.position);
    if (arrives && !network_.Loses()) {
      disk_.Acknowledge(stored.position);
    } else {
      engine_->again.insert(stored.position);
      if (arrives) ++produced_twice;
    }
  });
}

// --- Monitor ---------------------------------------------------------------------------------------------------------

void ChargingPointSim::StartMonitor() {
  if (monitor_ != nullptr) return;
  monitor_ = std::make_unique<MonitorRun>();
  monitor_->clock.emplace(loop_, random_);
  monitor_->core.emplace(monitor::MonitorOptions{.cp = options_.cp}, monitor_->clock->Now(), random_.Next());
  loop_.Every(
      monitor_->life, [] { return kTick; },
      [this] { ApplyMonitor([](monitor::Monitor& core, Moment now) { core.Tick(now); }); });
}

void ChargingPointSim::CrashMonitor() {
  if (monitor_ == nullptr) return;
  ++monitor_crashes;
  const std::unique_ptr<MonitorRun> dead = std::move(monitor_);
  if (dead->link != nullptr && random_.Chance(80)) dead->link->stream->ClientDied();
  if (dead->attach != nullptr && random_.Chance(80)) dead->attach->stream->ClientDied();
}

void ChargingPointSim::CutLink() {
  if (monitor_ == nullptr || monitor_->link == nullptr) return;
  ++cuts;
  monitor_->link->stream->Cut();
}

void ChargingPointSim::CutAttach() {
  if (monitor_ == nullptr || monitor_->attach == nullptr) return;
  ++cuts;
  monitor_->attach->stream->Cut();
}

void ChargingPointSim::ApplyMonitor(const std::function<void(monitor::Monitor&, Moment)>& decide) {
  decide(*monitor_->core, monitor_->clock->Now());
  for (const monitor::Effect& effect : monitor_->core->TakeEffects()) Do(effect);
}

void ChargingPointSim::Do(const monitor::Effect& effect) {
  const auto is_current = [this](std::int64_t link) { return monitor_->link != nullptr && monitor_->link_id == link; };
  if (const auto* dial = std::get_if<monitor::Dial>(&effect)) {
    DoDial(*dial);
  } else if (const auto* hang_up = std::get_if<monitor::HangUp>(&effect)) {
    if (is_current(hang_up->link)) monitor_->link->stream->CloseByClient();
  } else if (const auto* beat = std::get_if<monitor::SendBeat>(&effect)) {
    if (is_current(beat->link)) central_.Beat(monitor_->link, beat->health, beat->report);
  } else if (const auto* answer = std::get_if<monitor::SendAnswer>(&effect)) {
    if (!is_current(answer->link)) return;
    const bool not_sent =
        answer->undelivered == monitor::Undelivered::kNotSent || answer->undelivered == monitor::Undelivered::kExpired;
    CommandAnswer said = answer->answer;
    if (not_sent) said.verdict = Verdict::kNotSent;
    central_.Answer(monitor_->link, said);
  } else if (const auto* request = std::get_if<monitor::SendRequest>(&effect)) {
    if (!is_current(request->link)) return;
    monitor_->link->stream->ToServer([this, link = monitor_->link, id = request->link, asked = request->request] {
      central_.Start({.request_key = absl::StrCat("manual ", options_.cp.value(), " ", asked.request_id),
                      .fingerprint = "manual",
                      .driver = asked.driver,
                      .cp = options_.cp,
                      .target = asked.target,
                      .waited = asked.waited,
                      .manual = true},
                     [this, link, id, asked](const central::CallResult& result) {
                       PointRequestAnswer reply{.request_id = asked.request_id};
                       if (const auto* session = std::get_if<Session>(&result)) reply.session = session->id;
                       if (const auto* failure = std::get_if<central::Failure>(&result)) {
                         reply.denial = failure->denial;
                       }
                       link->stream->ToClient([this, id, reply] {
                         ApplyMonitor([&](monitor::Monitor& core, Moment now) { core.AnswerRequest(id, reply, now); });
                       });
                     });
    });
  } else if (const auto* open = std::get_if<monitor::OpenAttach>(&effect)) {
    DoOpenAttach(*open);
  } else if (const auto* close = std::get_if<monitor::CloseAttach>(&effect)) {
    if (monitor_->attach != nullptr && monitor_->attach->id == close->attach) {
      monitor_->attach->stream->CloseByClient();
    }
  } else if (const auto* down = std::get_if<monitor::SendAttach>(&effect)) {
    const AttachHandle attach = monitor_->attach;
    if (attach == nullptr || attach->id != down->attach) return;
    attach->stream->ToServer([this, attach, message = *down] { OnAttachUp(attach, message); });
  } else if (const auto* forward = std::get_if<monitor::Forward>(&effect)) {
    DoForward(*forward);
  }
}

void ChargingPointSim::DoDial(const monitor::Dial& dial) {
  const std::int64_t id = dial.link;
  const auto apply = [this](auto call) {
    return [this, call](const auto&... args) {
      ApplyMonitor([&](monitor::Monitor& core, Moment now) { call(core, args..., now); });
    };
  };
  auto link = std::make_shared<CentralProcess::Link>();
  link->cp = options_.cp;
  link->stream = std::make_shared<Stream>(network_, monitor_->life,
                                          apply([id](monitor::Monitor& core, const absl::Status& status, Moment now) {
                                            core.LinkClosed(id, status, now);
                                          }));
  link->down = {
      .welcome = apply([id](monitor::Monitor& core, LinkEpoch epoch, Moment now) { core.Welcomed(id, epoch, now); }),
      .beat = apply([id](monitor::Monitor& core, Moment now) { core.CentralBeat(id, now); }),
      .configure = apply([id](monitor::Monitor& core, const Configuration& configuration, Moment now) {
        core.Configure(id, configuration, now);
      }),
      .command = apply(
          [id](monitor::Monitor& core, const Command& command, Moment now) { core.TakeCommand(id, command, now); }),
      .settle = apply([id](monitor::Monitor& core, const Settlement& settlement, Moment now) {
        core.Settle(id, {settlement}, now);
      }),
  };
  monitor_->link = link;
  monitor_->link_id = id;
  central::LinkHello hello;
  hello.cp = options_.cp;
  if (dial.report) {
    hello.mark = dial.report->mark;
    hello.journal_id = dial.report->journal_id;
  }
  // A connection that is refused, or whose first packet is lost.
  if (network_.Loses()) {
    link->stream->Cut();
  } else if (!central_.Open(link, hello)) {
    link->stream->ServerDied();
  }
}

void ChargingPointSim::DoOpenAttach(const monitor::OpenAttach& open) {
  auto attach = std::make_shared<AttachStream>();
  attach->id = open.attach;
  attach->stream =
      std::make_shared<Stream>(network_, monitor_->life, [this, id = open.attach](const absl::Status& status) {
        ApplyMonitor([&](monitor::Monitor& core, Moment now) { core.AttachClosed(id, status, now); });
      });
  monitor_->attach = attach;
  if (engine_ == nullptr) return attach->stream->ServerDied();
  engine_->attached.push_back(attach);
  // Not the handle itself: it owns the stream, which would own it.
  attach->stream->Serve(engine_->life, [this, gone = attach.get()](const absl::Status&) {
    std::erase_if(engine_->attached, [gone](const AttachHandle& kept) { return kept.get() == gone; });
  });
  if (network_.Loses()) attach->stream->Cut();
}

void ChargingPointSim::DoForward(const monitor::Forward& forward) {
  const CommandId id = forward.command.id;
  const auto done = [this, id,
                     alive = std::weak_ptr<int>(monitor_->life)](const absl::StatusOr<CommandAnswer>& answer) {
    if (alive.expired()) return;
    ApplyMonitor([&](monitor::Monitor& core, Moment now) { core.CommandDone(id, answer, now); });
  };
  loop_.After(forward.limit, [done] { done(absl::DeadlineExceededError("no answer in time")); });
  // It arrives, or not, or twice, or long after it was given up.
  const int times = network_.Loses() ? 0 : network_.Repeats() ? 2 : 1;
  for (int i = 0; i < times; ++i) {
    const absl::Duration late =
        i > 0 || network_.Loses() ? random_.Between(absl::ZeroDuration(), absl::Seconds(6)) : absl::ZeroDuration();
    loop_.After(network_.Delay() + late, [this, forward, done] {
      if (engine_ == nullptr) {
        loop_.After(network_.Delay(), [done] { done(absl::UnavailableError("the Engine is down")); });
        return;
      }
      OnCommand(forward, [this, done](const absl::StatusOr<CommandAnswer>& answer) {
        if (network_.Loses()) return;
        loop_.After(network_.Delay(), [done, answer] { done(answer); });
      });
    });
  }
}

}  // namespace ev::sim
