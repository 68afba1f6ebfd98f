#include "config/option.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "base/secret.h"
#include "base/text.h"

namespace ev::config {
namespace {

constexpr char kMask[] = "****";
constexpr std::size_t kShownBytes = 200;  // Of what cannot be read.

absl::Status Bad(absl::string_view text, absl::string_view wanted) {
  return absl::InvalidArgumentError(absl::StrCat("\"", Excerpt(text, kShownBytes), "\" is not ", wanted));
}

// Bytes that no setting needs, that would forge lines where it is shown, or that no message could carry.
absl::Status CheckPrintable(absl::string_view text) {
  if (FindUnprintable(text) == text.npos) return absl::OkStatus();
  return absl::InvalidArgumentError("the value contains a control character or is not UTF-8");
}

template <typename T, typename Parse, typename Show>
Option::Binding Scalar(T* target, std::string type, absl::string_view wanted, Parse parse, Show show) {
  Option::Binding binding;
  binding.type = std::move(type);
  binding.set = [target, wanted = std::string(wanted), parse](const std::vector<std::string>& texts) {
    assert(texts.size() == 1);
    T value{};
    if (!parse(texts[0], &value)) return Bad(texts[0], wanted);
    *target = value;
    return absl::OkStatus();
  };
  binding.show = [target, show] { return std::vector<std::string>{show(*target)}; };
  return binding;
}

template <typename Int>
Option::Binding Integer(Int* target) {
  auto binding = Scalar(
      target, "NUMBER", "a whole number", [](const std::string& text, Int* out) { return absl::SimpleAtoi(text, out); },
      [](Int value) { return absl::StrCat(value); });
  binding.number = [target] { return static_cast<double>(*target); };
  return binding;
}

// Every digit that a person may have typed, and no 1e+09.
std::string NumberText(double value) {
  return absl::StrFormat("%.15g", value);
}

}  // namespace

Option::Option(absl::string_view name, absl::string_view help, Binding binding)
    : name_(name), help_(help), binding_(std::move(binding)) {}

std::string Option::flag() const {
  return "--" + name_;
}

std::string Option::variable() const {
  return "EV_" + absl::AsciiStrToUpper(absl::StrReplaceAll(name_, {{"-", "_"}}));
}

std::string Option::file_key() const {
  std::string key = name_;
  if (const auto dash = key.find('-'); dash != std::string::npos) key[dash] = '.';
  return key;
}

std::string Option::Description() const {
  std::string out = help_;
  if (!limits_.empty()) absl::StrAppend(&out, "; ", limits_);
  if (binding_.is_list) absl::StrAppend(&out, "; may be repeated");
  if (binding_.is_switch) absl::StrAppend(&out, "; true or false");
  if (!env_alias_.empty()) absl::StrAppend(&out, "; also ", env_alias_);
  if (const std::string value = absl::StrJoin(Shown(), " "); !value.empty()) absl::StrAppend(&out, " [", value, "]");
  return out;
}

Option& Option::Secret() {
  secret_ = true;
  return *this;
}

Option& Option::Required() {
  validators_.push_back([this] {
    const auto values = binding_.show();
    const bool empty = std::all_of(values.begin(), values.end(), [](const std::string& v) { return v.empty(); });
    return empty ? absl::InvalidArgumentError("needs a value") : absl::OkStatus();
  });
  return *this;
}

Option& Option::Range(double least, double most) {
  assert(binding_.number);
  limits_ = absl::StrCat(NumberText(least), " to ", NumberText(most));
  validators_.push_back([this, least, most] {
    const double value = binding_.number();
    return value >= least && value <= most
               ? absl::OkStatus()
               : absl::InvalidArgumentError(absl::StrCat(binding_.show()[0], " is out of range, ", limits_));
  });
  return *this;
}

Option& Option::Range(absl::Duration least, absl::Duration most) {
  Range(absl::ToDoubleSeconds(least), absl::ToDoubleSeconds(most));
  limits_ = absl::StrCat(absl::FormatDuration(least), " to ", absl::FormatDuration(most));
  return *this;
}

Option& Option::OneOf(std::vector<std::string> words) {
  limits_ = "one of " + absl::StrJoin(words, ", ");
  return Check([words = std::move(words)](const std::string& text) {
    return std::find(words.begin(), words.end(), text) != words.end()
               ? absl::OkStatus()
               : Bad(text, "one of " + absl::StrJoin(words, ", "));
  });
}

Option& Option::EnvAlias(std::string variable) {
  env_alias_ = std::move(variable);
  return *this;
}

Option& Option::Check(std::function<absl::Status(const std::string&)> check) {
  checks_.push_back(std::move(check));
  return *this;
}

absl::Status Option::Set(const std::vector<std::string>& texts) {
  if (!binding_.is_list && texts.size() != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("takes one value, got ", texts.size(), " (quote a value that contains commas or blanks)"));
  }
  for (const std::string& text : texts) {
    if (auto status = CheckPrintable(text); !status.ok()) return status;
  }
  return binding_.set(texts);
}

absl::Status Option::Validate() const {
  for (const auto& validate : validators_) {
    if (auto status = validate(); !status.ok()) return status;
  }
  for (const std::string& text : binding_.show()) {
    for (const auto& check : checks_) {
      if (auto status = check(text); !status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

std::vector<std::string> Option::Shown() const {
  std::vector<std::string> values = binding_.show();
  for (std::string& value : values) {
    const auto equals = value.find('=');
    if (secret_ && !value.empty()) {
      value = kMask;
    } else if (binding_.is_list && equals != std::string::npos && SoundsSecret(value.substr(0, equals))) {
      value = value.substr(0, equals + 1) + kMask;
    }
  }
  return values;
}

Option::Binding Bind(std::string* target) {
  return Scalar(
      target, "TEXT", "text",
      [](const std::string& text, std::string* out) {
        *out = text;
        return true;
      },
      [](const std::string& value) { return value; });
}

Option::Binding Bind(bool* target) {
  auto binding = Scalar(
      target, "", "true or false", [](const std::string& text, bool* out) { return absl::SimpleAtob(text, out); },
      [](bool value) { return std::string(value ? "true" : "false"); });
  binding.is_switch = true;
  return binding;
}

Option::Binding Bind(int* target) {
  return Integer(target);
}
Option::Binding Bind(std::int64_t* target) {
  return Integer(target);
}

Option::Binding Bind(double* target) {
  auto binding = Scalar(
      target, "NUMBER", "a number",
      [](const std::string& text, double* out) { return absl::SimpleAtod(text, out) && std::isfinite(*out); },
      [](double value) { return NumberText(value); });
  binding.number = [target] { return *target; };
  return binding;
}

Option::Binding Bind(absl::Duration* target) {
  auto binding = Scalar(
      target, "DURATION", "a duration such as 250ms, 30s or 1h30m",
      [](const std::string& text, absl::Duration* out) {
        return absl::ParseDuration(text, out) && *out >= absl::ZeroDuration() && *out < absl::InfiniteDuration();
      },
      [](absl::Duration value) { return absl::FormatDuration(value); });
  binding.number = [target] { return absl::ToDoubleSeconds(*target); };
  return binding;
}

Option::Binding Bind(std::vector<std::string>* target) {
  return {.type = "TEXT",
          .is_list = true,
          .set =
              [target](const std::vector<std::string>& texts) {
                *target = texts;
                return absl::OkStatus();
              },
          .show = [target] { return *target; },
          .number = nullptr};
}

Option::Binding Bind(std::map<std::string, std::string>* target) {
  return {.type = "KEY=VALUE",
          .is_list = true,
          .set =
              [target](const std::vector<std::string>& texts) {
                std::map<std::string, std::string> values;
                for (const std::string& text : texts) {
                  const auto equals = text.find('=');
                  if (equals == std::string::npos || equals == 0) {
                    // Not the text itself: it may be a secret with its name forgotten.
                    return absl::InvalidArgumentError("takes key=value, and got something else (not shown)");
                  }
                  values[text.substr(0, equals)] = text.substr(equals + 1);
                }
                *target = std::move(values);
                return absl::OkStatus();
              },
          .show =
              [target] {
                std::vector<std::string> out;
                for (const auto& [key, value] : *target) out.push_back(absl::StrCat(key, "=", value));
                return out;
              },
          .number = nullptr};
}

}  // namespace ev::config
