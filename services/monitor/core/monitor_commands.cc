// Central's commands on their way to the Engine: one at a time, in order, each with its answer or the reason for none.

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "services/monitor/core/monitor.h"

namespace ev::monitor {
namespace {

// How long after a command's deadline its result is still awaited, in case the call below it does not end by itself.
constexpr absl::Duration kResultGrace = absl::Seconds(1);

GrantNumber NumberOf(const Command& command) {
  if (const auto* prepare = std::get_if<PrepareSession>(&command.body)) return prepare->grant.number;
  if (const auto* cancel = std::get_if<CancelGrant>(&command.body)) return cancel->number;
  return {};
}

std::vector<NoteField> FieldsOf(const Command& command) {
  return {{"command_id", command.id.value()}, {"order", OrderOf(command)}, {"session_id", SessionOf(command).value()}};
}

}  // namespace

void Monitor::TakeCommand(StreamId link, Command command, Moment now) {
  if (!FromLink(link, now) || !connected()) return;
  ++forwarded_.commands;
  Do(Note{.message = "command received", .fields = FieldsOf(command), .trace = TraceOf(command)});
  if (waiting_.size() >= kMaxCommands) {
    Undeliverable(link, command, Undelivered::kNotSent, "too many commands wait for the Engine");
    return;
  }
  waiting_.push_back({.command = std::move(command), .received = now.monotonic});
  ForwardNext(now);
}

void Monitor::ForwardNext(Moment now) {
  while (!in_flight_ && !waiting_.empty()) {
    const Waiting next = std::move(waiting_.front());
    waiting_.pop_front();
    const absl::Duration left = next.command.deadline - (now.monotonic - next.received);
    if (left <= absl::ZeroDuration()) {
      Undeliverable(link_, next.command, Undelivered::kExpired, "its time was over before it could be sent");
    } else if (!attach_open_ || !attach_heard_) {
      Undeliverable(link_, next.command, Undelivered::kNotSent,
                    absl::StrCat("the Engine is not connected: ", EngineFault(now)));
    } else {
      in_flight_ = InFlight{.command = next.command, .link = link_, .until = now.monotonic + left + kResultGrace};
      Do(Forward{.epoch = epoch_, .command = next.command, .limit = left});
    }
  }
}

void Monitor::CommandDone(CommandId id, absl::StatusOr<CommandAnswer> answer, Moment now) {
  if (!in_flight_ || in_flight_->command.id != id) return;
  const InFlight done = *std::exchange(in_flight_, std::nullopt);
  // From now on an Engine that has to be configured again (it was restarted) must not take this number any more. Not
  // before: the configuration travels beside the command and could overtake it.
  if (configuration_) configuration_->highest_grant = std::max(configuration_->highest_grant, NumberOf(done.command));
  if (!answer.ok()) {
    Undeliverable(done.link, done.command, Undelivered::kUnknown,
                  answer.status().ToString(absl::StatusToStringMode::kWithNoExtraData));
    return ForwardNext(now);
  }
  std::vector<NoteField> fields = FieldsOf(done.command);
  if (answer->denial != DenialReason::kNone) fields.push_back({"denial", std::string(Name(answer->denial))});
  Do(Note{.message = "command answered", .fields = std::move(fields), .trace = TraceOf(done.command)});
  if (link_open_ && connected() && done.link == link_) {
    answer->id = id;
    Do(SendAnswer{.link = link_, .answer = *std::move(answer)});
  }
  ForwardNext(now);
}

void Monitor::Undeliverable(StreamId link, const Command& command, Undelivered why, std::string text) {
  ++forwarded_.commands_undelivered;
  std::vector<NoteField> fields = FieldsOf(command);
  fields.push_back({"error", text});
  Do(Note{.level = NoteLevel::kWarn,
          .message = "a command has no answer",
          .fields = std::move(fields),
          .trace = TraceOf(command)});
  if (!link_open_ || !connected() || link != link_) return;
  Do(SendAnswer{.link = link_,
                .answer = {.id = command.id,
                           .verdict = Verdict::kFailed,
                           .denial = DenialReason::kNone,
                           .text = std::move(text),
                           .mark = GrantNumber()},
                .undelivered = why});
}

}  // namespace ev::monitor
