#include "cli/evctl/dead_letters.h"

#include <deque>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/text.h"
#include "cli/evctl/json.h"
#include "cli/evctl/replay.h"
#include "evcharging/events/v1/facts.pb.h"
#include "events/replay.h"

namespace ev::evctl {
namespace {

constexpr std::size_t kMaxListed = 10'000;

// Its columns: the names in CSV, and in a table.
const std::vector<std::string>& Names(Output output) {
  static const auto* const csv =
      new std::vector<std::string>{"offset",        "reason",      "key",     "origin_topic", "origin_partition",
                                   "origin_offset", "origin_time", "replays", "detail"};
  static const auto* const table =
      new std::vector<std::string>{"OFFSET", "REASON", "KEY", "TOPIC", "PARTITION", "AT", "TIME", "REPLAYS", "DETAIL"};
  return output == Output::kCsv ? *csv : *table;
}

std::string OriginTime(const IncomingMessage& message) {
  std::int64_t millis = 0;
  if (!absl::SimpleAtoi(Header(message, "ev-origin-timestamp"), &millis)) return "";
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::FromUnixMillis(millis), absl::UTCTimeZone());
}

// As ParsePlace() takes it: of the first partition, as a rule the only one, the offset alone.
std::string PlaceOf(std::int32_t partition, std::int64_t offset) {
  return partition == 0 ? absl::StrCat(offset) : PlaceText({partition, offset});
}

std::vector<Cell> Row(std::int32_t partition, const IncomingMessage& message) {
  return {{PlaceOf(partition, message.offset), ""},
          {Header(message, "ev-reason"), "33"},
          {std::string(message.key), ""},
          {Header(message, "ev-origin-topic"), ""},
          {Header(message, "ev-origin-partition"), ""},
          {Header(message, "ev-origin-offset"), ""},
          {OriginTime(message), ""},
          {Header(message, kReplaysHeader), ""},
          {Header(message, "ev-detail"), ""}};
}

}  // namespace

absl::Status ListDeadLetters(const ReadLogOptions& options, Output output, bool colored, std::ostream& out) {
  if (output != Output::kTable && output != Output::kCsv) {
    return absl::InvalidArgumentError(
        "-o: dead-letters list prints table or csv; as JSON: evctl tail charging_dead_letter");
  }
  std::deque<std::vector<Cell>> rows;
  std::int64_t left_out = 0;
  const std::string csv_names = CsvText(Names(Output::kCsv), {});
  if (output == Output::kCsv) out << csv_names;
  const absl::Status read =
      ReadLog(options, nullptr, [&](absl::string_view, std::int32_t partition, const IncomingMessage& message) {
        if (IsReplayMark(message)) return true;
        if (output == Output::kCsv) {  // All, one by one: somebody bills by them.
          out << CsvText(Names(output), {Row(partition, message)}).substr(csv_names.size());
          return out.good();
        }
        if (rows.size() == kMaxListed) {
          rows.pop_front();
          ++left_out;
        }
        rows.push_back(Row(partition, message));
        return true;
      });
  if (!read.ok() || output == Output::kCsv) return read;
  const std::vector<std::vector<Cell>> all(rows.begin(), rows.end());
  out << RowsText(output, Names(output), all, colored);
  if (left_out > 0) out << left_out << " older ones are not shown: -o csv lists all\n";
  return absl::OkStatus();
}

absl::Status ShowDeadLetter(const ReadLogOptions& options, const Place& place, std::ostream& out) {
  bool is_found = false;
  const absl::Status read =
      ReadLog(options, nullptr, [&](absl::string_view, std::int32_t partition, const IncomingMessage& message) {
        if (partition != place.partition) return true;
        if (message.offset != place.offset) return message.offset < place.offset;
        is_found = true;
        out << "offset: " << PlaceOf(partition, message.offset) << "\nkey: " << Printable(message.key) << '\n';
        for (const auto& [name, text] : message.headers) out << Printable(name) << ": " << Printable(text) << '\n';
        evcharging::events::v1::Fact fact;
        if (!fact.ParseFromArray(message.value.data(), static_cast<int>(message.value.size())) ||
            !PrintJson(fact, out).ok()) {
          out << "undecodable: " << absl::BytesToHexString(message.value) << '\n';
        }
        return false;
      });
  if (!read.ok() || is_found) return read;
  return absl::NotFoundError(
      absl::StrCat(options.topic, " holds no ", PlaceText(place), "; evctl dead-letters list shows them"));
}

}  // namespace ev::evctl
