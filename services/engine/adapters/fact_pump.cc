#include "services/engine/adapters/fact_pump.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "log/log.h"
#include "wire/fact_encoder.h"

namespace ev::engine {
namespace {

constexpr absl::Duration kWakeLimit = absl::Seconds(1);

std::vector<std::pair<std::string, std::string>> HeadersOf(const Fact& fact) {
  if (fact.grant.trace.empty()) return {};
  return {{kTraceparent, Traceparent(fact.grant.trace, ToHex(fact.message_id))}};
}

// What is said of a start or a final that Kafka has.
struct Said {
  const char* fact = "start";
  CpId cp;
  SessionId session;
  Trace trace;
};

std::optional<Said> SaidOf(const Fact& fact) {
  if (fact.kind == FactKind::kSample) return std::nullopt;
  return Said{fact.kind == FactKind::kStart ? "start" : "final", fact.cp, fact.session, fact.grant.trace};
}

void Say(const Said& said) {
  const log::TraceScope scope(said.trace);
  log::Info("fact sent", {{"fact", said.fact}, {"cp_id", said.cp}, {"session_id", said.session}});
}

}  // namespace

FactPump::FactPump(PumpOptions options, journal::FactLog& log, Publisher& publisher, metrics::Registry& registry)
    : options_(std::move(options)), log_(log), publisher_(publisher), state_(std::make_shared<State>(log)) {
  const auto counter = [&](const std::string& topic, const char* result) {
    return registry.AddCounter("ev_messages_out_total", "Messages handed to Kafka, by topic and result.",
                               {{"topic", topic}, {"result", result}});
  };
  state_->acknowledged_data = counter(options_.data_topic, "acknowledged");
  state_->acknowledged_complete = counter(options_.complete_topic, "acknowledged");
  state_->failed_data = counter(options_.data_topic, "failed");
  state_->failed_complete = counter(options_.complete_topic, "failed");
  const auto depth =
      registry.AddGauge("ev_kafka_in_flight_messages", "Facts handed to Kafka and not acknowledged yet.");
  registry.AddGauge("ev_kafka_in_flight_messages_bound", "The bound of ev_kafka_in_flight_messages.")
      .Set(options_.max_in_flight);
  collect_ = registry.OnCollect([state = state_, depth] {
    MutexLock lock(state->mutex);
    depth.Set(static_cast<double>(state->in_flight.size()));
  });
  thread_ = std::jthread([this](const std::stop_token& stop) { Run(stop); });
}

FactPump::~FactPump() {
  MutexLock lock(state_->mutex);  // Or a thread that has just looked would sleep on.
  thread_.request_stop();
  state_->wake.SignalAll();
}

void FactPump::Wake() {
  MutexLock lock(state_->mutex);
  state_->new_facts = true;
  state_->wake.SignalAll();
}

void FactPump::ProduceAgain() {
  const auto unsettled = log_.ReadUnsettled();
  MutexLock lock(state_->mutex);
  for (const journal::StoredFact& stored : unsettled) {
    if (stored.position <= state_->cursor && !state_->in_flight.contains(stored.position) &&
        !state_->refused.contains(stored.position)) {
      state_->again.insert(stored.position);
    }
  }
  state_->new_facts = true;
  state_->wake.SignalAll();
}

absl::Status FactPump::Drain(absl::Duration limit) {
  const SystemClock clock;
  const absl::Duration end = clock.Now().monotonic + limit;
  for (;;) {
    const bool all_handed_over = [&] {
      MutexLock lock(state_->mutex);
      return state_->again.empty() && state_->refused.empty() && !state_->alone.has_value() &&
             log_.Read(state_->cursor, 1).empty();
    }();
    MutexLock lock(state_->mutex);
    if (all_handed_over && state_->in_flight.empty()) return absl::OkStatus();
    const absl::Duration left = end - clock.Now().monotonic;
    if (left <= absl::ZeroDuration()) {
      return absl::DeadlineExceededError(absl::StrCat(state_->in_flight.size(), " facts are not acknowledged"));
    }
    state_->wake.WaitFor(state_->mutex, std::min(left, absl::Milliseconds(100)));
  }
}

// The next facts that may be handed over: what has to be repeated first, because it is older, or one of the refused
// when nothing else is on its way.
std::vector<journal::StoredFact> FactPump::NextBatch() {
  MutexLock lock(state_->mutex);
  if (state_->alone.has_value()) return {};
  while (!state_->refused.empty()) {
    if (!state_->in_flight.empty()) return {};
    const std::int64_t position = *state_->refused.begin();
    state_->refused.erase(position);
    auto found = log_.Read(position - 1, 1);
    if (found.empty() || found[0].position != position) continue;  // Settled meanwhile.
    state_->alone = position;
    return found;
  }
  const auto room = options_.max_in_flight - static_cast<int>(state_->in_flight.size());
  if (room <= 0) return {};
  std::vector<journal::StoredFact> batch;
  for (auto it = state_->again.begin(); it != state_->again.end() && std::ssize(batch) < room;) {
    auto found = log_.Read(*it - 1, 1);
    // Settled meanwhile: gone from the log.
    if (!found.empty() && found[0].position == *it) batch.push_back(std::move(found[0]));
    it = state_->again.erase(it);
  }
  for (journal::StoredFact& stored : log_.Read(state_->cursor, room - static_cast<int>(batch.size()))) {
    batch.push_back(std::move(stored));
  }
  std::erase_if(batch, [&](const auto& stored)
                           ABSL_NO_THREAD_SAFETY_ANALYSIS { return state_->in_flight.contains(stored.position); });
  return batch;
}

void FactPump::Run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    bool stuck = false;
    const auto batch = NextBatch();
    for (const journal::StoredFact& stored : batch) {
      stuck = stuck || !Publish(stored);
      if (stuck) PutBack(stored.position);
    }
    MutexLock lock(state_->mutex);
    if (stop.stop_requested()) return;
    const absl::Duration pause = std::exchange(state_->pause, absl::ZeroDuration());
    if (stuck || pause > absl::ZeroDuration()) {
      state_->wake.WaitFor(state_->mutex, std::max(pause, options_.retry_after));
    } else if (batch.empty() && !state_->new_facts) {
      state_->wake.WaitFor(state_->mutex, kWakeLimit);
    }
    state_->new_facts = false;
  }
}

// What was to be repeated stands below the cursor and would not be read again.
void FactPump::PutBack(std::int64_t position) {
  MutexLock lock(state_->mutex);
  if (position <= state_->cursor) state_->again.insert(position);
}

bool FactPump::Publish(const journal::StoredFact& stored) {
  const bool complete = stored.fact.kind == FactKind::kFinal;
  const std::string& topic = complete ? options_.complete_topic : options_.data_topic;
  {
    MutexLock lock(state_->mutex);
    state_->in_flight.insert(stored.position);
  }
  const absl::Status status =
      publisher_.Publish({.topic = topic,
                          .key = stored.fact.cp.value(),
                          .value = wire::EncodeFact(stored.fact),
                          .headers = HeadersOf(stored.fact),
                          .done = [state = state_, position = stored.position, complete, retry = options_.retry_after,
                                   topic, said = SaidOf(stored.fact)](const absl::Status& delivered) {
                            {
                              MutexLock lock(state->mutex);
                              SayTrouble(*state, topic, delivered);
                            }
                            if (delivered.ok() && said.has_value()) Say(*said);
                            Delivered(*state, position, complete, retry, delivered);
                          }});
  MutexLock lock(state_->mutex);
  if (status.ok()) {
    state_->cursor = std::max(state_->cursor, stored.position);
    return true;
  }
  SayTrouble(*state_, topic, status);
  state_->in_flight.erase(stored.position);
  state_->alone.reset();
  if (!absl::IsInvalidArgument(status)) return false;
  (complete ? state_->failed_complete : state_->failed_data).Increment();
  GiveUp(*state_, stored.position, status);
  state_->cursor = std::max(state_->cursor, stored.position);
  return true;
}

void FactPump::Delivered(State& state, std::int64_t position, bool complete, absl::Duration retry_after,
                         const absl::Status& status) {
  if (status.ok()) {
    (complete ? state.acknowledged_complete : state.acknowledged_data).Increment();
    state.log.Acknowledge(position);
  } else {
    (complete ? state.failed_complete : state.failed_data).Increment();
  }
  MutexLock lock(state.mutex);
  state.in_flight.erase(position);
  const bool was_alone = state.alone == position;
  if (was_alone) state.alone.reset();
  if (absl::IsInvalidArgument(status)) {
    if (was_alone) {
      GiveUp(state, position, status);
    } else {
      state.refused.insert(position);
    }
  } else if (!status.ok()) {
    state.again.insert(position);
    state.pause = std::max(state.pause, retry_after);
  }
  state.new_facts = true;  // There is room for more.
  state.wake.SignalAll();
}

void FactPump::SayTrouble(State& state, const std::string& topic, const absl::Status& status) {
  const bool needs_help = absl::IsNotFound(status) || absl::IsPermissionDenied(status);
  if (needs_help == state.needs_help || (!needs_help && !status.ok())) return;
  state.needs_help = needs_help;
  if (needs_help) {
    log::Warn("facts wait: the broker takes none for this topic, does it exist under this name?",
              {{"topic", topic}, {"error", status}});
  } else {
    log::Info("facts are sent again", {{"topic", topic}});
  }
}

void FactPump::GiveUp(State& state, std::int64_t position, const absl::Status& status) {
  const auto found = state.log.Read(position - 1, 1);
  if (found.empty() || found[0].position != position) return;  // Settled meanwhile.
  const log::TraceScope scope(found[0].fact.grant.trace);
  log::Error("a fact can never be published",
             {{"cp_id", found[0].fact.cp}, {"session_id", found[0].fact.session}, {"error", status}});
  state.log.Acknowledge(position);
}

}  // namespace ev::engine
