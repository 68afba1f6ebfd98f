#include "cli/evctl/replay.h"

#include <algorithm>
#include <map>
#include <memory>
#include <ostream>
#include <set>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/types/span.h"
#include "base/mutex.h"
#include "base/text.h"
#include "events/publisher.h"
#include "events/replay.h"
#include "kafka/admin.h"
#include "kafka/producer.h"

namespace ev::evctl {
namespace {

constexpr std::size_t kMaxLetters = 10'000;
constexpr std::size_t kMaxMarks = 1'000'000;
constexpr std::size_t kMaxReasons = 20;  // To name them.
constexpr int kMaxReplays = 3;
constexpr std::size_t kAtOnce = 100;
constexpr absl::Duration kSendLimit = absl::Seconds(30);  // Of so many at once.
constexpr std::int64_t kMaxMessageBytes = 64 << 20;       // As the dead letters' topic takes them.

struct Letter {
  std::string place;  // PARTITION/OFFSET.
  std::string reason;
  std::int64_t replays = 0;
  OutgoingMessage message;
};

struct Chosen {
  std::vector<Letter> letters;
  bool is_all = true;    // Else there are more than kMaxLetters.
  bool has_any = false;  // Of what was asked for, also when it is left alone.
};

std::string LineStart(const Letter& letter) {
  return absl::StrCat(letter.place, "  ", Printable(letter.reason), "  ", Printable(letter.message.key), "  ");
}

// Whoever may write to the topic may write anything.
std::int64_t ReadReplays(const std::string& text) {
  std::int64_t number = 0;
  return absl::SimpleAtoi(text, &number) ? std::clamp<std::int64_t>(number, 0, kMaxReplays) : 0;
}

absl::StatusOr<absl::flat_hash_set<std::string>> ReadPlaces(const std::vector<std::string>& letters) {
  absl::flat_hash_set<std::string> places;
  for (const std::string& letter : letters) {
    const auto place = ParsePlace(letter);
    if (!place.ok()) return place.status();
    places.insert(PlaceText(*place));
  }
  return places;
}

Letter ToLetter(const ReadLogOptions& log, const std::string& place, const IncomingMessage& in) {
  Letter letter{.place = place, .reason = Header(in, "ev-reason"), .replays = ReadReplays(Header(in, kReplaysHeader))};
  letter.message.topic = Header(in, "ev-origin-topic");
  letter.message.key = std::string(in.key);
  letter.message.value = std::string(in.value);
  for (const auto& [name, value] : in.headers) {
    if (!absl::StartsWith(name, "ev-")) letter.message.headers.emplace_back(name, value);
  }
  letter.message.headers.emplace_back(kReplaysHeader, absl::StrCat(letter.replays + 1));
  letter.message.headers.emplace_back(kReplayedFromHeader, absl::StrCat(log.topic, "/", place));
  return letter;
}

// Why it is left alone; empty: it is not.
std::string WhyNot(const ReadLogOptions& log, const Letter& letter, bool was_put_back) {
  if (was_put_back) return "it was put back before";
  if (letter.message.topic.empty() || letter.message.topic == log.topic) return "it does not say where it came from";
  if (letter.replays >= kMaxReplays) {
    return absl::StrCat("it has failed ", letter.replays, " times again: it would once more");
  }
  return "";
}

// The letters that were put back before, as PARTITION/OFFSET.
absl::StatusOr<absl::flat_hash_set<std::string>> ReadMarks(const ReadLogOptions& log) {
  absl::flat_hash_set<std::string> marks;
  const absl::Status read = ReadLog(log, nullptr, [&](absl::string_view, std::int32_t, const IncomingMessage& in) {
    if (IsReplayMark(in)) marks.insert(Header(in, kReplayedHeader));
    return marks.size() <= kMaxMarks;
  });
  if (!read.ok()) return read;
  if (marks.size() > kMaxMarks) {
    return absl::ResourceExhaustedError(absl::StrCat(log.topic, " holds more than ", kMaxMarks, " replays"));
  }
  return marks;
}

// Those to put back; says of the others why they are not.
absl::StatusOr<Chosen> ReadLetters(const ReadLogOptions& log, const ReplayOptions& options, std::ostream& out) {
  const auto places = ReadPlaces(options.letters);
  if (!places.ok()) return places.status();
  const auto marks = ReadMarks(log);
  if (!marks.ok()) return marks.status();
  Chosen chosen;
  absl::flat_hash_set<std::string> left = *places;
  bool is_reason_known = options.reason.empty();
  std::set<std::string> reasons;
  const absl::Status read =
      ReadLog(log, nullptr, [&](absl::string_view, std::int32_t partition, const IncomingMessage& in) {
        if (IsReplayMark(in)) return true;
        const std::string place = PlaceText({partition, in.offset});
        left.erase(place);
        const bool is_named = places->contains(place);
        const std::string reason = Header(in, "ev-reason");
        if (reasons.size() < kMaxReasons) reasons.insert(reason);
        if (!options.reason.empty() && !absl::EqualsIgnoreCase(reason, options.reason)) return true;
        is_reason_known = true;
        if ((!places->empty() && !is_named) || in.broker_time < options.since) return true;
        const bool was_put_back = marks->contains(place);
        // Of many it is no news that some were put back before.
        if (was_put_back && !is_named) return true;
        chosen.has_any = true;
        Letter letter = ToLetter(log, place, in);
        if (const std::string why_not = WhyNot(log, letter, was_put_back); !why_not.empty()) {
          out << LineStart(letter) << "left alone: " << why_not << '\n';
          return true;
        }
        chosen.is_all = chosen.letters.size() < kMaxLetters;
        if (chosen.is_all) chosen.letters.push_back(std::move(letter));
        return chosen.is_all;
      });
  if (!read.ok()) return read;
  if (!left.empty() && chosen.is_all) {
    return absl::NotFoundError(absl::StrCat(log.topic, " holds no ", *std::min_element(left.begin(), left.end()),
                                            "; evctl dead-letters list shows what it holds"));
  }
  if (!is_reason_known && !reasons.empty()) {
    return absl::NotFoundError(absl::StrCat("--reason: ", log.topic, " holds none that was put aside for ",
                                            Printable(options.reason),
                                            "; its reasons: ", Printable(absl::StrJoin(reasons, ", "))));
  }
  return chosen;
}

// Sends them, and says of each whether it is stored.
std::vector<absl::Status> Send(kafka::Producer& producer, std::vector<OutgoingMessage> messages) {
  struct Results {
    Mutex mutex;
    std::vector<absl::Status> status ABSL_GUARDED_BY(mutex);
  };
  const auto results = std::make_shared<Results>();  // A callback may come after the limit.
  {
    MutexLock lock(results->mutex);
    results->status.assign(messages.size(), absl::UnavailableError("the broker has not confirmed it"));
  }
  for (std::size_t i = 0; i < messages.size(); ++i) {
    messages[i].done = [results, i](const absl::Status& status) {
      MutexLock lock(results->mutex);
      results->status[i] = status;
    };
    const absl::Status taken = producer.Publish(std::move(messages[i]));
    MutexLock lock(results->mutex);
    if (!taken.ok()) results->status[i] = taken;
  }
  producer.Flush(kSendLimit).IgnoreError();  // What is left says so itself.
  MutexLock lock(results->mutex);
  return results->status;
}

// First the letters, then the notes of those that are stored: who dies in between puts a letter back twice, and not
// never. InvalidArgument: the broker will never take some of them.
absl::Status PutBack(kafka::Producer& producer, const std::string& topic, absl::Span<Letter* const> letters,
                     std::ostream& out) {
  std::vector<OutgoingMessage> messages;
  messages.reserve(letters.size());
  for (const Letter* letter : letters) messages.push_back(letter->message);
  std::vector<absl::Status> sent = Send(producer, std::move(messages));
  // A broker refuses a batch for one message in it.
  for (std::size_t i = 0; i < letters.size(); ++i) {
    if (absl::IsInvalidArgument(sent[i])) sent[i] = Send(producer, {letters[i]->message})[0];
  }
  std::vector<OutgoingMessage> marks;
  absl::Status failed;
  for (std::size_t i = 0; i < letters.size(); ++i) {
    const Letter& letter = *letters[i];
    out << LineStart(letter) << (sent[i].ok() ? "put back into " : "not put back into ")
        << Printable(letter.message.topic);
    if (sent[i].ok()) {
      marks.push_back({.topic = topic, .key = letter.message.key, .headers = {{kReplayedHeader, letter.place}}});
    } else {
      out << ": " << Printable(sent[i].message());
      if (!absl::IsInvalidArgument(sent[i])) {
        failed = absl::UnavailableError("not all were put back: try again, what is put back twice bills nothing twice");
      } else if (failed.ok()) {
        failed = sent[i];
      }
    }
    out << '\n';
  }
  for (const absl::Status& noted : Send(producer, std::move(marks))) {
    if (!noted.ok())
      failed = absl::UnavailableError(absl::StrCat("it could not be noted what was put back: ", noted.message()));
  }
  return failed;
}

// Goes on behind those that the broker refuses for what they are, and ends when it does not answer.
absl::Status PutBackAll(const ReadLogOptions& log, absl::Span<Letter* const> letters, std::ostream& out) {
  kafka::ProducerConfig config;
  config.kafka = log.kafka;
  config.max_message_bytes = kMaxMessageBytes;
  const auto producer = kafka::Producer::Create(std::move(config));
  if (!producer.ok()) return producer.status();
  bool is_some_refused = false;
  for (std::size_t first = 0; first < letters.size(); first += kAtOnce) {
    const absl::Status failed = PutBack(**producer, log.topic, letters.subspan(first, kAtOnce), out);
    if (!failed.ok() && !absl::IsInvalidArgument(failed)) return failed;
    is_some_refused |= !failed.ok();
  }
  if (!is_some_refused) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "the broker refused some for what they are, and will again; the others are put back");
}

}  // namespace

std::string Header(const IncomingMessage& message, absl::string_view name) {
  for (const auto& [key, text] : message.headers) {
    if (key == name) return std::string(text);
  }
  return "";
}

std::string PlaceText(const Place& place) {
  return absl::StrCat(place.partition, "/", place.offset);
}

absl::StatusOr<Place> ParsePlace(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, '/');
  Place place;
  const bool is_read = parts.size() == 1 ? absl::SimpleAtoi(parts[0], &place.offset)
                                         : parts.size() == 2 && absl::SimpleAtoi(parts[0], &place.partition) &&
                                               absl::SimpleAtoi(parts[1], &place.offset);
  if (is_read && place.partition >= 0 && place.offset >= 0) return place;
  return absl::InvalidArgumentError(absl::StrCat("dead-letters: \"", Printable(text),
                                                 "\" is no OFFSET or PARTITION/OFFSET; evctl dead-letters list shows "
                                                 "them"));
}

bool IsReplayMark(const IncomingMessage& message) {
  return !Header(message, kReplayedHeader).empty();
}

absl::Status ReplayDeadLetters(const ReadLogOptions& log, const ReplayOptions& options, std::ostream& out) {
  auto chosen = ReadLetters(log, options, out);
  if (!chosen.ok()) return chosen.status();
  auto admin = kafka::Admin::Create(log.kafka);
  if (!admin.ok()) return admin.status();
  std::map<std::string, absl::Status> topics;
  std::vector<Letter*> letters;
  for (Letter& letter : chosen->letters) {
    const auto [topic, is_new] = topics.try_emplace(letter.message.topic);
    if (is_new) topic->second = (*admin)->PartitionCount(letter.message.topic, log.connect_limit).status();
    if (absl::IsNotFound(topic->second)) {
      out << LineStart(letter) << "left alone: there is no topic " << Printable(letter.message.topic) << '\n';
      continue;
    }
    if (!topic->second.ok()) return topic->second;
    letters.push_back(&letter);
    if (options.is_dry)
      out << LineStart(letter) << "would be put back into " << Printable(letter.message.topic) << '\n';
  }
  absl::Status failed;
  if (!options.is_dry && !letters.empty()) failed = PutBackAll(log, letters, out);
  if (!chosen->has_any) out << "none\n";
  if (!chosen->is_all) out << "there are more: run it again\n";
  return failed;
}

}  // namespace ev::evctl
