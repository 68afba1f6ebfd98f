#include "cli/evctl/watch.h"

#include <functional>
#include <memory>
#include <ostream>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "base/text.h"
#include "cli/evctl/json.h"
#include "cli/evctl/rows.h"
#include "cli/evctl/words.h"
#include "rpc/status.h"
#include "terminal/terminal.h"

namespace ev::evctl {
namespace {

namespace central_pb = evcharging::central::v1;
namespace common = evcharging::common::v1;

// Reads a stream until it ends, `on_message` returns false or a stop is asked for.
template <typename Stream, typename Message>
absl::Status Read(const Central& central, grpc::ClientContext& context, Stream stream, process::StopSignal& stop,
                  const std::function<bool(const Message&)>& on_message) {
  bool is_done = false;  // The thread's own, until it has ended.
  std::jthread reader([&] {
    Message message;
    while (!is_done && stream->Read(&message)) is_done = !on_message(message);
    stop.RequestStop("ended");
  });
  const bool is_ended = stop.Wait() == "ended";
  context.TryCancel();
  reader.join();
  const grpc::Status status = stream->Finish();
  if (!is_ended || is_done) return absl::OkStatus();
  return central.Explain(status.ok() ? absl::UnavailableError("the stream has ended") : rpc::FromGrpc(status));
}

// A line for each item: changes come one by one, so that columns have their width beforehand.
template <typename Item>
absl::Status PrintItem(const Item& item, const WatchOptions& options, std::ostream& out) {
  if (options.output == Output::kJson) return PrintJson(item, out);
  out << absl::FormatTime("%H:%M:%S", absl::Now(), absl::UTCTimeZone());
  for (const Cell& cell : Row(item, Output::kTable)) {
    if (!cell.text.empty()) out << "  " << terminal::Painted(Printable(cell.text), cell.color, options.colored);
  }
  out << '\n';
  return absl::OkStatus();
}

}  // namespace

absl::Status Watch(const Central& central, const WatchOptions& options, process::StopSignal& stop, std::ostream& out) {
  if (options.output != Output::kTable && options.output != Output::kJson) {
    return absl::InvalidArgumentError("-o: watch prints table or json");
  }
  grpc::ClientContext context;
  absl::Status printed;
  const auto print = [&](const auto& item) {
    printed = PrintItem(item, options, out);
    return printed.ok() && out.flush().good();
  };
  absl::Status status;
  if (options.what == "points") {
    status = Read<std::unique_ptr<grpc::ClientReader<central_pb::WatchChargingPointsResponse>>,
                  central_pb::WatchChargingPointsResponse>(
        central, context, central.points->WatchChargingPoints(&context, {}), stop, [&](const auto& message) {
          if (message.has_charging_point()) return print(message.charging_point());
          if (message.has_changed()) return print(message.changed());
          if (message.deleted_charging_point_id().empty()) return true;
          out << "deleted  " << Printable(message.deleted_charging_point_id()) << std::endl;
          return out.good();
        });
  } else if (options.what == "sessions") {
    status =
        Read<std::unique_ptr<grpc::ClientReader<central_pb::WatchSessionsResponse>>, central_pb::WatchSessionsResponse>(
            central, context, central.sessions->WatchSessions(&context, {}), stop, [&](const auto& message) {
              if (message.has_session()) return print(message.session());
              return message.has_changed() ? print(message.changed()) : true;
            });
  } else {
    return NotOneOf("watch", options.what, {"points", "sessions"});
  }
  return printed.ok() ? status : printed;
}

absl::Status FollowSession(const Central& central, const std::string& session_id, process::StopSignal& stop,
                           std::ostream& out) {
  grpc::ClientContext context;
  central_pb::WatchSessionsRequest request;
  request.set_session_id(session_id);
  const WatchOptions options;
  std::string state;  // At its end.
  const absl::Status status =
      Read<std::unique_ptr<grpc::ClientReader<central_pb::WatchSessionsResponse>>, central_pb::WatchSessionsResponse>(
          central, context, central.sessions->WatchSessions(&context, request), stop, [&](const auto& message) {
            if (!message.has_session() && !message.has_changed()) return true;
            const central_pb::Session& session = message.has_session() ? message.session() : message.changed();
            const bool is_over = session.state() == common::SESSION_STATE_COMPLETED ||
                                 session.state() == common::SESSION_STATE_DENIED ||
                                 session.state() == common::SESSION_STATE_EXPIRED;
            if (!is_over) return PrintItem(session, options, out).ok() && out.flush().good();
            out << Describe(session);
            state = common::SessionState_Name(session.state());
            return false;
          });
  if (!status.ok() || state.empty() || state == "SESSION_STATE_COMPLETED") return status;
  return absl::FailedPreconditionError(
      absl::StrCat("there was no charge: ", absl::StripPrefix(state, "SESSION_STATE_")));
}

}  // namespace ev::evctl
