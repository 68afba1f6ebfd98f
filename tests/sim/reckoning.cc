// What must be true when all is calm again: the meters, the journals, the store and what was told say the same.

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/fnv1a.h"
#include "tests/sim/world.h"

namespace ev::sim {
namespace {

void Mix(std::uint64_t& digest, absl::string_view text) {
  digest = Fnv1a(text, digest);
}
void Mix(std::uint64_t& digest, std::int64_t number) {
  Mix(digest, absl::StrCat(number, "|"));
}

}  // namespace

// What the driver was shown is what Central's ledger says, and each request made what it was told to have made.
void World::CheckDriver(const DriverSim& driver) {
  store::Store& store = central_->store();
  for (const std::string& what : driver.wrong) Wrong(what);
  const auto wrong = [&](absl::string_view of, absl::string_view what) {
    Wrong(absl::StrCat(driver.id().value(), ": ", of, " ", what));
  };

  std::map<SessionId, std::string> made_by;
  for (const auto& [id, request] : driver.requests()) {
    ++tally_.asked;
    Mix(tally_.digest, id);
    const auto record = store.FindRequest(id);
    if (record.ok() && !record->session.empty() && !made_by.emplace(record->session, id).second) {
      wrong(id, "has the session of another request");
    }
    if (!request.conclusion) {
      wrong(id, "has no end");
      continue;
    }
    const auto* denial = std::get_if<driver::Denial>(&*request.conclusion);
    const auto* ticket = std::get_if<Ticket>(&*request.conclusion);
    tally_.denials += denial != nullptr ? 1 : 0;
    // That leaves nothing behind, so a copy of the request that came late may have been granted.
    if (denial != nullptr && denial->reason == Name(DenialReason::kPointUnknown)) continue;
    if (!record.ok()) {
      wrong(id, "was answered and is not remembered");
      continue;
    }
    if (record->session.empty()) {
      if (denial == nullptr || denial->reason != Name(record->denial)) wrong(id, "was denied otherwise than told");
      continue;
    }
    const Session session = store.FindSession(record->session).value();
    const std::optional<Ticket> bill = central_->TicketOf(session);
    const bool is_as_told =
        bill ? ticket != nullptr && *ticket == *bill : denial != nullptr && denial->reason == Name(session.denial);
    if (!is_as_told) wrong(id, "did not end as its driver was told");
    if (!request.session.empty() && request.session != session.id) wrong(id, "was answered with another session");
  }

  store::SessionFilter mine;
  mine.driver = driver.id();
  mine.page_size = 1000;
  const auto page = store.ListSessions(mine);
  for (const Session& session : page->items) {
    tally_.manual += session.manual ? 1 : 0;
    if (!session.manual && !made_by.contains(session.id)) wrong(session.id.value(), "is a second of one request");
  }
  for (const auto& [id, charge] : driver.shown()) {
    const Session session = store.FindSession(id).value();
    if (charge.state != session.state || charge.energy_mwh != session.energy_mwh ||
        charge.amount_micros != session.amount_micros || charge.ticket != central_->TicketOf(session)) {
      wrong(id.value(), absl::StrCat("is ", Name(session.state), " and was shown ", Name(charge.state), " with ",
                                     charge.energy_mwh, " mWh"));
    }
  }

  tally_.unconfirmed += driver.unconfirmed;
  tally_.driver_crashes += driver.crashes;
  tally_.driver_cuts += driver.cuts;
  tally_.driver_repeats += driver.repeats;
  tally_.driver_fetches += driver.fetches;
  tally_.lists += driver.lists;
  tally_.tickets_shown += driver.tickets_shown;
  Mix(tally_.digest, driver.tickets_shown);
  Mix(tally_.digest, driver.repeats);
}

void World::Check() {
  store::Store& store = central_->store();
  if (!central_->is_up()) return Wrong("Central is down in the calm");
  if (!IsQuiet()) Wrong("there is no quiet in the calm");
  if (auto status = store.CheckIntegrity(); !status.ok()) Wrong(std::string(status.message()));
  if (central_->refused_commits > 0) Wrong("a commit was refused");

  // Whatever was told, by session.
  std::map<SessionId, central::StatusUpdate> last_told;
  for (const central::StatusUpdate& update : central_->told().updates) {
    const auto it = last_told.find(update.session.id);
    if (it != last_told.end() && update.session.revision < it->second.session.revision) {
      Wrong(absl::StrCat("session ", update.session.id.value(), " was told in a wrong order"));
    }
    last_told.insert_or_assign(update.session.id, update);
  }

  std::map<SessionId, Ticket> tickets;
  for (const auto& point : points_) {
    for (const std::string& what : point->wrong) Wrong(absl::StrCat(point->cp().value(), ": ", what));
    store::TicketFilter filter;
    filter.cp = point->cp();
    filter.page_size = 1000;
    const auto page = store.ListTickets(filter);
    for (const Ticket& ticket : page->items) {
      if (!tickets.emplace(ticket.session, ticket).second) {
        Wrong(absl::StrCat("session ", ticket.session.value(), " has two tickets"));
      }
    }
  }

  for (const auto& point : points_) {
    const auto& kept = point->kept();
    if (kept.double_finals > 0) Wrong(absl::StrCat(point->cp().value(), " made two finals of one session"));
    if (kept.failed_writes > 0 && point->disk().Stats().thinned == 0) {
      Wrong(absl::StrCat(point->cp().value(), " could not write although nothing had been thinned"));
    }
    for (const auto& [session, times] : point->meter().closings()) {
      if (times != 1) Wrong(absl::StrCat("the contactor closed ", times, " times for session ", session.value()));
      if (!kept.starts.contains(session)) Wrong(absl::StrCat("energy flowed without a start: ", session.value()));
    }
    for (const auto& [session, start] : kept.starts) {
      const std::int64_t received = point->meter().Received(session);
      const auto final = kept.finals.find(session);
      const auto ticket = tickets.find(session);
      const std::string who = absl::StrCat("session ", session.value(), " at ", point->cp().value());
      if (final == kept.finals.end()) {
        Wrong(absl::StrCat(who, " has no final"));
        continue;
      }
      const bool is_target_reached = final->second.end_reason == EndReason::kTargetReached;
      if (final->second.energy_mwh != received) {
        Wrong(
            absl::StrCat(who, ": the vehicle received ", received, " mWh, the final says ", final->second.energy_mwh));
      }
      if (const auto* energy = std::get_if<EnergyTarget>(&start.grant.target);
          energy && (received > energy->energy_mwh || (is_target_reached && received != energy->energy_mwh))) {
        Wrong(absl::StrCat(who, " missed its energy target ", energy->energy_mwh, " with ", received));
      }
      if (const auto* amount = std::get_if<AmountTarget>(&start.grant.target)) {
        const std::int64_t price = start.grant.price.micros_per_kwh;
        if (AmountMicros(received, price) > amount->amount_micros) {
          Wrong(absl::StrCat(who, " exceeded its money target"));
        }
        if (is_target_reached && AmountMicros(received + 1, price) <= amount->amount_micros) {
          Wrong(absl::StrCat(who, " ended before its money target"));
        }
      }
      if (ticket == tickets.end()) {
        Wrong(absl::StrCat(who, " has no ticket for ", received, " mWh"));
        continue;
      }
      const Ticket& bill = ticket->second;
      if (bill.energy_mwh != received || bill.cp != point->cp() || bill.driver != start.grant.driver ||
          bill.price != start.grant.price || bill.amount_micros != final->second.amount_micros || bill.estimated) {
        Wrong(absl::StrCat(who, " is billed wrongly: ", bill.energy_mwh, " mWh of ", received));
      }
      const auto told = last_told.find(session);
      if (told == last_told.end() || !told->second.ticket || *told->second.ticket != bill) {
        Wrong(absl::StrCat(who, ": its ticket was not the last thing told"));
      }
      ++tally_.tickets;
      tally_.energy_mwh += bill.energy_mwh;
      tally_.recovered += bill.recovered ? 1 : 0;
      tally_.changed_prices += bill.price != central::ShardConfig().default_price ? 1 : 0;
      Mix(tally_.digest, session.value());
      Mix(tally_.digest, bill.energy_mwh);
      Mix(tally_.digest, absl::ToUnixNanos(bill.issued));
      tickets.erase(ticket);
    }
    if (point->disk().Stats().starts_and_finals > 0) {
      Wrong(absl::StrCat(point->cp().value(), " still has facts that are not settled"));
    }
    if (point->disk().Stats().quarantined > 0) Wrong(absl::StrCat(point->cp().value(), " had facts refused"));
  }
  for (const auto& [session, ticket] : tickets) Wrong(absl::StrCat("a ticket without a charge: ", session.value()));

  store::SessionFilter open;
  open.states = {SessionState::kRequested, SessionState::kUnconfirmed, SessionState::kGranted, SessionState::kCharging,
                 SessionState::kAwaitingFinal};
  open.page_size = 1000;
  const auto still_open = store.ListSessions(open);
  for (const Session& session : still_open->items) {
    Wrong(absl::StrCat("session ", session.id.value(), " is still ", Name(session.state)));
  }
  store::SessionFilter expired;
  expired.states = {SessionState::kExpired};
  expired.page_size = 1000;
  const auto unused = store.ListSessions(expired);
  tally_.expired += static_cast<std::int64_t>(unused->items.size());
  for (const central::PointView& view : central_->Points()) {
    if (view.state != PointState::kAvailable) {
      Wrong(absl::StrCat(view.record.id.value(), " is ", Name(view.state), " in the calm, ", view.fault));
    }
    Mix(tally_.digest, view.record.highest_grant.value());
    Mix(tally_.digest, view.record.link_epoch.value());
  }
  if (central_->commands_waiting() > 0) Wrong("commands are still waited for");
  for (const central::DeadLetter& letter : central_->told().dead_letters) {
    const bool is_forged = absl::StartsWith(letter.detail, "energy_mwh of -1 ");
    if (!is_forged) Wrong(absl::StrCat("a dead letter: ", letter.reason, ", ", letter.detail));
    ++tally_.forged;
  }
  for (const central::Alert& alert : central_->told().alerts) {
    if (alert.kind == central::AlertKind::kAmountDiffers) Wrong(absl::StrCat("an alert: ", alert.text));
  }

  for (const auto& driver : drivers_) CheckDriver(*driver);

  const central::ShardCounters counters = central_->counters();
  tally_.duplicates = counters.duplicates_lru + counters.duplicates_sequence;
  tally_.late_samples = counters.late_samples;
  tally_.central_crashes = central_->crashes;
  tally_.gaps = central_->gaps;
  tally_.failed_commits = central_->failed_commits;
  for (const auto& point : points_) {
    tally_.engine_crashes += point->engine_crashes;
    tally_.monitor_crashes += point->monitor_crashes;
    tally_.cuts += point->cuts;
    tally_.produced += point->produced;
    tally_.produced_twice += point->produced_twice;
    tally_.produced_after_outage += point->produced_after_outage;
    tally_.started_without_kafka += point->started_without_kafka;
  }
  Mix(tally_.digest, tally_.events);
}

}  // namespace ev::sim
