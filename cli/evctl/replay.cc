#include "cli/evctl/replay.h"

#include <algorithm>
#include <map>
#include <memory>
#include <ostream>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
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
constexpr int kMaxReplays = 3;
constexpr std::size_t kAtOnce = 100;
constexpr absl::Duration kSendLimit = absl::Seconds(30);  // Of so many at once.
constexpr std::int64_t kMaxMessageBytes = 64 << 20;       // As the dead letters' topic takes them.

struct Letter {
  std::string place;  // PARTITION/OFFSET.
  std::string reason;
  std::int64_t replays = 0;
  OutgoingMessage message;
  std::string why_not;  // Empty: it is put back.
};

std::int64_t Number(const std::string& text) {
  std::int64_t number = 0;
  return absl::SimpleAtoi(text, &number) && number > 0 ? number : 0;
}

// As PARTITION/OFFSET.
absl::StatusOr<absl::flat_hash_set<std::string>> ReadPlaces(const std::vector<std::string>& letters) {
  absl::flat_hash_set<std::string> places;
  for (const std::string& letter : letters) {
    const std::vector<std::string> parts = absl::StrSplit(absl::StrContains(letter, '/') ? letter : "0/" + letter, '/');
    std::int64_t partition = 0;
    std::int64_t offset = 0;
    if (parts.size() != 2 || !absl::SimpleAtoi(parts[0], &partition) || !absl::SimpleAtoi(parts[1], &offset) ||
        partition < 0 || offset < 0) {
      return absl::InvalidArgumentError(absl::StrCat("dead-letters replay: \"", Printable(letter),
                                                     "\" is no OFFSET or PARTITION/OFFSET; evctl dead-letters list "
                                                     "shows them"));
    }
    places.insert(absl::StrCat(partition, "/", offset));
  }
  return places;
}

Letter ToLetter(const ReadLogOptions& log, const std::string& place, const IncomingMessage& in) {
  Letter letter{.place = place, .reason = Header(in, "ev-reason"), .replays = Number(Header(in, kReplaysHeader))};
  letter.message.topic = Header(in, "ev-origin-topic");
  letter.message.key = std::string(in.key);
  letter.message.value = std::string(in.value);
  for (const auto& [name, value] : in.headers) {
    if (!absl::StartsWith(name, "ev-")) letter.message.headers.emplace_back(name, value);
  }
  letter.message.headers.emplace_back(kReplaysHeader, absl::StrCat(letter.replays + 1));
  letter.message.headers.emplace_back(kReplayedFromHeader, absl::StrCat(log.topic, "/", place));
  if (letter.message.topic.empty() || letter.message.topic == log.topic) {
    letter.why_not = "it does not say where it came from";
  } else if (letter.replays >= kMaxReplays) {
    letter.why_not = absl::StrCat("it has failed ", letter.replays, " times again: it would once more");
  }
  return letter;
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

absl::StatusOr<std::vector<Letter>> ReadLetters(const ReadLogOptions& log, const ReplayOptions& options) {
  const auto places = ReadPlaces(options.letters);
  if (!places.ok()) return places.status();
  const auto marks = ReadMarks(log);
  if (!marks.ok()) return marks.status();
  std::vector<Letter> letters;
  absl::flat_hash_set<std::string> left = *places;
  const absl::Status read =
      ReadLog(log, nullptr, [&](absl::string_view, std::int32_t partition, const IncomingMessage& in) {
        if (IsReplayMark(in)) return true;
        const std::string place = absl::StrCat(partition, "/", in.offset);
        left.erase(place);
        const bool is_named = places->contains(place);
        if ((!places->empty() && !is_named) || in.broker_time < options.since) return true;
        if (!options.reason.empty() && !absl::EqualsIgnoreCase(Header(in, "ev-reason"), options.reason)) return true;
        // Of many it is no news that some were put back before.
        if (marks->contains(place) && !is_named) return true;
        letters.push_back(ToLetter(log, place, in));
        if (marks->contains(place)) letters.back().why_not = "it was put back before";
        return letters.size() < kMaxLetters;
      });
  if (!read.ok()) return read;
  if (!left.empty() && letters.size() < kMaxLetters) {
    return absl::NotFoundError(absl::StrCat(log.topic, " holds no ", *std::min_element(left.begin(), left.end()),
                                            "; evctl dead-letters list shows what it holds"));
  }
  return letters;
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
// never.
absl::Status PutBack(kafka::Producer& producer, const std::string& topic, std::vector<Letter*> letters,
                     std::ostream& out) {
  std::vector<OutgoingMessage> messages;
  messages.reserve(letters.size());
  for (const Letter* letter : letters) messages.push_back(letter->message);
  const std::vector<absl::Status> sent = Send(producer, std::move(messages));
  std::vector<OutgoingMessage> marks;
  absl::Status failed;
  for (std::size_t i = 0; i < letters.size(); ++i) {
    const Letter& letter = *letters[i];
    out << letter.place << "  " << Printable(letter.reason) << "  " << Printable(letter.message.key) << "  "
        << (sent[i].ok() ? "put back into " : "not put back into ") << Printable(letter.message.topic);
    if (sent[i].ok()) {
      marks.push_back({.topic = topic, .key = letter.message.key, .headers = {{kReplayedHeader, letter.place}}});
    } else {
      out << ": " << Printable(sent[i].message());
      failed = absl::UnavailableError("not all were put back: try again, what is put back twice bills nothing twice");
    }
    out << '\n';
  }
  for (const absl::Status& noted : Send(producer, std::move(marks))) {
    if (!noted.ok())
      failed = absl::UnavailableError(absl::StrCat("it could not be noted what was put back: ", noted.message()));
  }
  return failed;
}

}  // namespace

std::string Header(const IncomingMessage& message, absl::string_view name) {
  for (const auto& [key, text] : message.headers) {
    if (key == name) return std::string(text);
  }
  return "";
}

bool IsReplayMark(const IncomingMessage& message) {
  return !Header(message, kReplayedHeader).empty();
}

absl::Status ReplayDeadLetters(const ReadLogOptions& log, const ReplayOptions& options, std::ostream& out) {
  auto letters = ReadLetters(log, options);
  if (!letters.ok()) return letters.status();
  auto admin = kafka::Admin::Create(log.kafka);
  if (!admin.ok()) return admin.status();
  std::map<std::string, absl::Status> topics;
  std::vector<Letter*> chosen;
  for (Letter& letter : *letters) {
    if (letter.why_not.empty()) {
      const auto [topic, is_new] = topics.try_emplace(letter.message.topic);
      if (is_new) topic->second = (*admin)->PartitionCount(letter.message.topic, log.connect_limit).status();
      if (absl::IsNotFound(topic->second)) {
        letter.why_not = absl::StrCat("there is no topic ", letter.message.topic);
      } else if (!topic->second.ok()) {
        return topic->second;
      }
    }
    if (letter.why_not.empty()) {
      chosen.push_back(&letter);
      continue;
    }
    out << letter.place << "  " << Printable(letter.reason) << "  " << Printable(letter.message.key)
        << "  left alone: " << Printable(letter.why_not) << '\n';
  }
  if (options.is_dry) {
    for (const Letter* letter : chosen) {
      out << letter->place << "  " << Printable(letter->reason) << "  " << Printable(letter->message.key)
          << "  would be put back into " << Printable(letter->message.topic) << '\n';
    }
  }
  absl::Status failed;
  if (!options.is_dry && !chosen.empty()) {
    kafka::ProducerConfig config;
    config.kafka = log.kafka;
    config.max_message_bytes = kMaxMessageBytes;
    auto producer = kafka::Producer::Create(std::move(config));
    if (!producer.ok()) return producer.status();
    for (std::size_t first = 0; first < chosen.size() && failed.ok(); first += kAtOnce) {
      const std::size_t end = std::min(first + kAtOnce, chosen.size());
      failed = PutBack(
          **producer, log.topic,
          {chosen.begin() + static_cast<std::ptrdiff_t>(first), chosen.begin() + static_cast<std::ptrdiff_t>(end)},
          out);
    }
  }
  if (letters->empty()) out << "none\n";
  if (letters->size() == kMaxLetters) out << "there may be more: run it again\n";
  return failed;
}

}  // namespace ev::evctl
