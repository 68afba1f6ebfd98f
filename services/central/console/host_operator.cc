#include "services/central/console/host_operator.h"

#include <optional>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "services/central/adapters/request_fields.h"
#include "services/central/adapters/shard_call.h"
#include "services/central/adapters/store_reads.h"

namespace ev::central {
namespace {

constexpr char kWho[] = "console";

constexpr auto kNoRows = [](int) { return RowKeys{}; };

}  // namespace

struct HostOperator::Waiting {
  Mutex mutex;
  CondVar changed;
  bool cancelled ABSL_GUARDED_BY(mutex) = false;
};

// In the place of an rpc's call: who asked waits for it.
template <typename T>
class HostOperator::Waiter {
 public:
  explicit Waiter(std::shared_ptr<Waiting> waiting) : waiting_(std::move(waiting)) {}

  bool finished() const {
    MutexLock lock(waiting_->mutex);
    return result_.has_value();
  }
  void Finish(absl::StatusOr<T> result) {
    MutexLock lock(waiting_->mutex);
    if (!result_.has_value()) result_ = std::move(result);
    waiting_->changed.SignalAll();
  }
  absl::StatusOr<T> Wait(absl::Duration limit) {
    const SystemClock clock;
    const absl::Duration end = clock.Now().monotonic + limit;
    MutexLock lock(waiting_->mutex);
    while (!result_.has_value() && !waiting_->cancelled) {
      const absl::Duration left = end - clock.Now().monotonic;
      if (left <= absl::ZeroDuration()) {
        result_ = absl::DeadlineExceededError(absl::StrCat("no answer within ", absl::FormatDuration(limit)));
        break;
      }
      waiting_->changed.WaitFor(waiting_->mutex, left);
    }
    if (!result_.has_value()) result_ = WithReason(absl::UnavailableError("Central is stopping"), "STOPPING");
    return *result_;
  }

 private:
  const std::shared_ptr<Waiting> waiting_;
  // Guarded by waiting_->mutex, which the analysis cannot follow through the pointer.
  std::optional<absl::StatusOr<T>> result_;
};

HostOperator::HostOperator(ShardHost& host, absl::Duration limit)
    : host_(host), limit_(limit), waiting_(std::make_shared<Waiting>()) {}

HostOperator::~HostOperator() = default;

void HostOperator::Cancel() {
  MutexLock lock(waiting_->mutex);
  waiting_->cancelled = true;
  waiting_->changed.SignalAll();
}

void HostOperator::ReadPoints(ShardHost& host, const std::function<void(const std::vector<PointView>&)>& take) {
  for (int shard = 0; shard < host.shards(); ++shard) {
    const CallId id = host.Await([take](const CallResult& result) {
      if (const auto* points = std::get_if<std::vector<PointView>>(&result)) take(*points);
    });
    const absl::Status applied =
        host.Apply(shard, [&](Shard& at, const Moment& now, Effects& out) { at.ListPoints(now, id, out); });
    if (!applied.ok()) host.Forget(id);
  }
}

absl::StatusOr<std::vector<PointView>> HostOperator::ListPoints() {
  const auto waiter = std::make_shared<Waiter<std::vector<PointView>>>(waiting_);
  AskAll(
      host_, waiter, kNoRows,
      [](Shard& shard, const Moment& now, const CallId& id, Effects& out) { shard.ListPoints(now, id, out); },
      [](std::vector<PointView> points) { return points; });
  return waiter->Wait(limit_);
}

absl::StatusOr<PointView> HostOperator::GetPoint(const CpId& cp) {
  const auto waiter = std::make_shared<Waiter<PointView>>(waiting_);
  Ask(
      host_, waiter, host_.ShardOf(cp), RowKeys{},
      [&](Shard& shard, const Moment& now, const CallId& id, Effects& out) {
        shard.GetPoint(now, {.call = id, .cp = cp}, out);
      },
      ResultAs<PointView>);
  return waiter->Wait(limit_);
}

// Reads come from the store alone: it holds what is durable, and nothing else may be told.
absl::StatusOr<std::vector<Session>> HostOperator::OpenSessions(int limit) {
  auto page = host_.store().ListSessions(
      {.driver = {}, .cp = {}, .states = OpenStates(), .page_size = limit, .page_token = {}});
  if (!page.ok()) return page.status();
  return std::move(page->items);
}

absl::StatusOr<std::vector<Ticket>> HostOperator::Tickets(const DriverId& driver, int limit) {
  auto page =
      host_.store().ListTickets({.driver = driver, .cp = {}, .session = {}, .page_size = limit, .page_token = {}});
  if (!page.ok()) return page.status();
  return std::move(page->items);
}

absl::StatusOr<std::vector<PointView>> HostOperator::ChangeCause(CauseMethod method, CauseCall call) {
  const auto waiter = std::make_shared<Waiter<std::vector<PointView>>>(waiting_);
  const auto input = [&](Shard& shard, const Moment& now, const CallId& id, Effects& out) {
    call.call = id;
    (shard.*method)(now, call, out);
  };
  if (call.cp.empty()) {
    AskAll(host_, waiter, kNoRows, input, [](std::vector<PointView> points) { return points; });
  } else {
    Ask(host_, waiter, host_.ShardOf(call.cp), RowKeys{}, input,
        [](const CallResult& result) -> absl::StatusOr<std::vector<PointView>> {
          auto view = ResultAs<PointView>(result);
          if (!view.ok()) return view.status();
          return std::vector<PointView>{*std::move(view)};
        });
  }
  return waiter->Wait(limit_);
}

absl::StatusOr<std::vector<PointView>> HostOperator::Stop(const CpId& cp, const std::string& reason) {
  if (auto status = CheckText("reason", reason, kMaxReasonBytes); !status.ok()) return status;
  return ChangeCause(&Shard::SetCause,
                     {.call = {}, .cp = cp, .cause = Cause::kOperator, .who = kWho, .reason = reason});
}

absl::StatusOr<std::vector<PointView>> HostOperator::Resume(const CpId& cp) {
  return ChangeCause(&Shard::ClearCause, {.call = {}, .cp = cp, .cause = Cause::kOperator, .who = kWho, .reason = {}});
}

absl::StatusOr<PointView> HostOperator::SetPrice(const CpId& cp, const Price& price) {
  const auto waiter = std::make_shared<Waiter<PointView>>(waiting_);
  Ask(
      host_, waiter, host_.ShardOf(cp), RowKeys{},
      [&](Shard& shard, const Moment& now, const CallId& id, Effects& out) {
        shard.UpdatePoint(now, {.call = id, .cp = cp, .location = std::nullopt, .site = std::nullopt, .price = price},
                          out);
      },
      ResultAs<PointView>);
  return waiter->Wait(limit_);
}

absl::StatusOr<Session> HostOperator::Charge(const DriverId& driver, const CpId& cp) {
  const auto waiter = std::make_shared<Waiter<Session>>(waiting_);
  Ask(
      host_, waiter, host_.ShardOf(cp), RowKeys{},
      [&](Shard& shard, const Moment& now, const CallId& id, Effects& out) {
        shard.StartSession(now,
                           {.call = id,
                            .request_key = {},
                            .fingerprint = {},
                            .driver = driver,
                            .cp = cp,
                            .target = {},
                            .waited = absl::ZeroDuration()},
                           out);
      },
      ResultAs<Session>);
  return waiter->Wait(limit_);
}

absl::StatusOr<Session> HostOperator::End(const SessionId& session) {
  // The store says whose shard it is.
  const auto known = FindSession(host_.store(), session);
  if (!known.ok()) return known.status();
  const auto waiter = std::make_shared<Waiter<Session>>(waiting_);
  Ask(
      host_, waiter, host_.ShardOf(known->cp), RowKeys{.sessions = {session}},
      [&](Shard& shard, const Moment& now, const CallId& id, Effects& out) {
        shard.StopSession(now, {.call = id, .session = session, .driver = {}}, out);
      },
      ResultAs<Session>);
  return waiter->Wait(limit_);
}

}  // namespace ev::central
