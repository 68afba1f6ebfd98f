#include "cli/evctl/doctor.h"

#include <algorithm>
#include <ostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/text.h"
#include "cli/evctl/table.h"
#include "events/topics.h"
#include "kafka/admin.h"
#include "terminal/terminal.h"

namespace ev::evctl {
namespace {

namespace central_pb = evcharging::central::v1;

// Facts come every second; whoever is further behind than this does not keep up.
constexpr absl::Duration kLag = absl::Seconds(10);
// Older gaps are history: `evctl get gaps` has them.
constexpr absl::Duration kNews = absl::Hours(7 * 24);
constexpr int kNamed = 5;  // Charging points in one line.

Verdict VerdictOf(const central_pb::ComponentHealth& health) {
  switch (health.health()) {
    case central_pb::HEALTH_FAILED:
      return Verdict::kFailed;
    case central_pb::HEALTH_DEGRADED:
    case central_pb::HEALTH_OFF:
      return Verdict::kWarning;
    default:
      return Verdict::kOk;
  }
}

Finding Part(const char* name, const central_pb::ComponentHealth& health, const char* next_step) {
  const Verdict verdict = VerdictOf(health);
  const bool is_off = health.health() == central_pb::HEALTH_OFF;
  return {verdict, name,
          is_off                    ? "switched off"
          : verdict == Verdict::kOk ? "works"
                                    : health.reason(),
          verdict == Verdict::kOk ? "" : next_step};
}

// Those that take no charge, whatever their link says.
void ExaminePoints(const Central& central, evcharging::common::v1::ChargingPointState state, absl::string_view are,
                   absl::string_view next_step, std::vector<Finding>& findings) {
  central_pb::ListChargingPointsRequest request;
  request.add_states(state);
  request.set_page_size(kNamed);
  const auto points = central.Call(central.points, &Central::Points::ListChargingPoints, request);
  if (!points.ok()) {
    findings.push_back({Verdict::kFailed, "points", std::string(points.status().message()), ""});
    return;
  }
  std::vector<std::string> ids;
  for (const auto& point : points->charging_points()) ids.push_back(point.charging_point_id());
  if (ids.empty()) return;
  const char* const more = points->next_page_token().empty() ? "" : " and more";
  findings.push_back({Verdict::kWarning, "points", absl::StrCat(absl::StrJoin(ids, ", "), more, " ", are),
                      absl::StrCat(next_step, " ", ids[0])});
}

void ExamineSessions(const Central& central, std::vector<Finding>& findings) {
  central_pb::ListSessionsRequest request;
  request.add_states(evcharging::common::v1::SESSION_STATE_AWAITING_FINAL);
  request.set_page_size(1);
  const auto sessions = central.Call(central.sessions, &Central::Sessions::ListSessions, request);
  if (!sessions.ok()) {
    findings.push_back({Verdict::kFailed, "sessions", std::string(sessions.status().message()), ""});
  } else if (sessions->sessions_size() > 0) {
    findings.push_back({Verdict::kWarning, "sessions", "some have ended and wait for their final figures",
                        "evctl get sessions --state awaiting_final; is their charging point connected?"});
  }
  central_pb::ListGapsRequest gaps_request;
  gaps_request.set_page_size(1);
  const auto gaps = central.Call(central.server, &Central::Server::ListGaps, gaps_request);
  if (!gaps.ok()) {
    findings.push_back({Verdict::kFailed, "gaps", std::string(gaps.status().message()), ""});
  } else if (gaps->gaps_size() > 0 &&
             gaps->gaps(0).detect_time().seconds() > absl::ToUnixSeconds(absl::Now() - kNews)) {
    findings.push_back({Verdict::kWarning, "gaps", "records of a fact topic were missing within the last 7 days",
                        "evctl get gaps; finals come again by themselves, samples do not"});
  }
}

// `cluster`: the one that Central reads; empty: not known.
void ExamineKafka(const kafka::KafkaConfig& config, const std::string& cluster, absl::Duration limit,
                  std::vector<Finding>& findings) {
  const auto admin = kafka::Admin::Create(config);
  if (!admin.ok()) {
    findings.push_back({Verdict::kFailed, "kafka", std::string(admin.status().message()), ""});
    return;
  }
  const auto id = (*admin)->ClusterId(limit);
  if (!id.ok()) {
    findings.push_back({Verdict::kFailed, "kafka",
                        absl::StrCat("no broker at ", config.brokers, " answers: ", id.status().message()),
                        "is one running? --kafka-brokers or EV_KAFKA_BROKERS names another"});
    return;
  }
  findings.push_back({Verdict::kOk, "kafka", absl::StrCat("cluster ", *id, " at ", config.brokers), ""});
  if (!cluster.empty() && cluster != *id) {
    findings.push_back({Verdict::kWarning, "cluster", absl::StrCat("Central reads another cluster: ", cluster),
                        "give evctl and Central the same brokers"});
  }
  for (const TopicConfig& topic : Topics().All()) {
    const auto partitions = (*admin)->PartitionCount(topic.name, limit);
    if (!partitions.ok()) {
      findings.push_back({Verdict::kWarning, "topic", absl::StrCat(topic.name, ": ", partitions.status().message()),
                          "Central makes it when it runs; --topic-* of Central may have given it another name"});
    }
  }
}

void Print(const Finding& finding, bool colored, std::ostream& out) {
  const bool is_ok = finding.verdict == Verdict::kOk;
  const bool has_failed = finding.verdict == Verdict::kFailed;
  const absl::string_view word = is_ok ? "ok" : has_failed ? "FAILED" : "warning";
  const absl::string_view color = is_ok ? terminal::kGreen : has_failed ? terminal::kRed : terminal::kYellow;
  const std::string mark = absl::StrFormat("%-8s", word);
  out << terminal::Painted(mark, color, colored) << absl::StrFormat("%-9s %s\n", finding.part, Printable(finding.text));
  if (!finding.next_step.empty()) out << absl::StrFormat("%18s%s\n", "", Printable(finding.next_step));
}

}  // namespace

std::vector<Finding> Examine(const central_pb::ServerInfo& info) {
  std::vector<Finding> findings = {
      {Verdict::kOk, "central",
       absl::StrCat(info.version(), ", store ", info.store_id(), ", start number ", info.incarnation(),
                    ", open sessions: ", info.open_session_count()),
       ""},
      Part("store", info.store(), "look at Central's log, and at its disk"),
      Part("broker", info.broker(), "Central books again as soon as it reaches its broker")};
  if (!info.unaccepted_cluster_id().empty()) {
    findings.push_back(
        {Verdict::kFailed, "cluster",
         absl::StrCat("Central's brokers are of another cluster than its offsets: ", info.unaccepted_cluster_id()),
         absl::StrCat("the wrong --kafka-brokers? if it is meant: evctl accept-cluster ",
                      info.unaccepted_cluster_id())});
  }
  if (const absl::Duration lag = absl::Seconds(info.lag().seconds()); lag > kLag) {
    findings.push_back({Verdict::kWarning, "lag",
                        absl::StrCat("Central is ", absl::FormatDuration(lag), " behind Kafka"),
                        "it catches up, or its store is slow: ev_commit_seconds, ev_lag_seconds"});
  }
  const int away = info.charging_point_count() - info.linked_charging_point_count();
  findings.push_back(
      {away > 0 ? Verdict::kWarning : Verdict::kOk, "points",
       absl::StrCat(info.linked_charging_point_count(), " of ", info.charging_point_count(), " connected"),
       away > 0 ? "evctl get points --state disconnected" : ""});
  return findings;
}

absl::Status Doctor(const Central& central, const kafka::KafkaConfig& kafka, const ChosenContext& context, bool colored,
                    std::ostream& out) {
  std::vector<Finding> findings = {
      {Verdict::kOk, "context",
       absl::StrCat(context.name.empty() ? "none" : absl::StrCat(context.name, " of ", context.file), "; Central at ",
                    central.address(), ", brokers at ", kafka.brokers),
       ""}};
  std::string cluster;
  const auto info = central.Call(central.server, &Central::Server::GetServerInfo, {});
  if (info.ok()) {
    const auto of_central = Examine(*info);
    findings.insert(findings.end(), of_central.begin(), of_central.end());
    cluster = info->cluster_id();
    ExaminePoints(central, evcharging::common::v1::CHARGING_POINT_STATE_FAULTED, "FAULTED: no charge begins",
                  "why: evctl describe point", findings);
    ExaminePoints(central, evcharging::common::v1::CHARGING_POINT_STATE_STOPPED, "STOPPED: no charge begins",
                  "if nobody works there: evctl resume point", findings);
    ExamineSessions(central, findings);
  } else {
    findings.push_back({Verdict::kFailed, "central", std::string(info.status().message()), ""});
  }
  ExamineKafka(kafka, cluster, central.limit(), findings);
  for (const Finding& finding : findings) Print(finding, colored, out);
  const auto failed = std::count_if(findings.begin(), findings.end(),
                                    [](const Finding& finding) { return finding.verdict == Verdict::kFailed; });
  if (failed == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("doctor: ", failed, " failed"));
}

}  // namespace ev::evctl
