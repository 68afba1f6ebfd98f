#include "config/parser.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cassert>
#include <iostream>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/nearest.h"
#include "base/text.h"
#include "config/command_line.h"
#include "config/file.h"

namespace ev::config {
namespace {

constexpr int kMisconfigured = 2;
constexpr std::size_t kUnknownKeys = 10;  // So many are said one by one.

using Texts = std::vector<std::string>;

// One option with what each source said about it.
struct Entry {
  Option option;
  std::string group;
  CLI::Option* flag = nullptr;
  CLI::Option* positional = nullptr;
  Source source = Source::kDefault;
  std::string origin = "default";  // For people: "EV_KAFKA_BROKERS".
};

std::string Quoted(const std::string& text) {
  const char* quote = absl::StrContains(text, '"') ? "'" : "\"";
  return absl::StrCat(quote, text, quote);
}

std::string FileValue(const Option& option) {
  Texts values = option.Shown();
  const bool bare = option.binding().number && option.binding().type == "NUMBER";
  if (bare || option.binding().is_switch) return values[0];
  for (std::string& value : values) value = Quoted(value);
  return option.binding().is_list ? absl::StrCat("[", absl::StrJoin(values, ", "), "]") : values[0];
}

bool IsMasked(const Option& option) {
  return option.Shown() != option.binding().show();
}

}  // namespace

struct Parser::Impl {
  explicit Impl(Program p) : program(std::move(p)), app(program.summary, program.name) {}

  Entry* Find(absl::string_view name) const {
    const auto it = by_name.find(std::string(name));
    return it == by_name.end() ? nullptr : it->second;
  }

  void Say(const std::string& problem) { problems.push_back(problem); }
  // Names the option and where its value came from, so that it can be found.
  void Say(const Entry& entry, const absl::Status& status) {
    const std::string where =
        entry.source == Source::kDefault ? absl::StrCat(program.name, " --help") : "from " + entry.origin;
    Say(absl::StrCat(entry.option.flag(), ": ", status.message(), " (", where, ")"));
  }

  Texts Names(std::string (Option::*name)() const) const {
    Texts names;
    for (const auto& entry : entries) names.push_back((entry->option.*name)());
    return names;
  }

  // Of the option that `problem` begins with, unless its value was typed: then it need not be looked for.
  std::string OriginOf(absl::string_view problem) const {
    if (!absl::ConsumePrefix(&problem, "--")) return "";
    const Entry* entry = Find(problem.substr(0, problem.find_first_of(":, ")));
    if (entry == nullptr || entry->source == Source::kDefault || entry->source == Source::kFlag) return "";
    return absl::StrCat(" (from ", entry->origin, ")");
  }

  void DeclareFlags();
  std::string Footer() const;
  // Each takes the values of one source, the strongest last, so that the last one that speaks wins.
  void ReadFileValues(std::map<Entry*, Texts>& values);
  void ReadEnvironment(const std::vector<std::string>& environment, std::map<Entry*, Texts>& values);
  void ReadFlags(std::map<Entry*, Texts>& values);
  void Take(Entry& entry, Source source, std::string origin) {
    entry.source = source;
    entry.origin = std::move(origin);
  }
  void Apply(const std::map<Entry*, Texts>& values);
  void Print(std::ostream& out) const;

  const Program program;
  CLI::App app;
  std::string group = "Options";
  std::vector<std::unique_ptr<Entry>> entries;  // As declared. Options hold their own address.
  std::map<std::string, Entry*> by_name;
  std::vector<Entry*> positionals;
  std::vector<std::function<absl::Status()>> at_end;
  std::vector<std::string> problems;
  std::vector<std::string> warnings;

  std::string file;
  bool print_only = false;
  bool check_only = false;
};

void Parser::Impl::DeclareFlags() {
  for (const auto& entry : entries) {
    const Option& option = entry->option;
    if (option.binding().is_switch) {
      entry->flag = app.add_flag(option.flag());
    } else {
      entry->flag = app.add_option(option.flag());
      entry->flag->type_name(option.binding().type);
      if (option.binding().is_list) {
        entry->flag->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)->expected(1)->allow_extra_args(false);
      }
    }
    entry->flag->description(option.Description())->group(entry->group);
  }
  for (Entry* entry : positionals) {
    entry->positional = app.add_option(absl::AsciiStrToUpper(entry->option.name()));
    entry->positional->description("the same as " + entry->option.flag());
  }
  app.footer(Footer());
}

std::string Parser::Impl::Footer() const {
  std::string out =
      "Each option may also stand in the environment (--grpc-port: EV_GRPC_PORT) or in the file\n"
      "named by --config (grpc.port); a flag wins over the environment, that over the file.\n";
  if (!program.examples.empty())
    absl::StrAppend(&out, "\nExamples:\n  ", absl::StrJoin(program.examples, "\n  "), "\n");
  return out;
}

void Parser::Impl::ReadFileValues(std::map<Entry*, Texts>& values) {
  if (file.empty()) return;
  auto content = ReadFile(file);
  if (!content.ok()) return Say(absl::StrCat("--config: ", content.status().message()));
  for (const auto& entry : entries) {
    const auto it = content->find(entry->option.file_key());
    if (it == content->end()) continue;
    Take(*entry, Source::kFile, absl::StrCat(it->first, " in ", file, ", line ", it->second.line));
    values[entry.get()] = std::move(it->second.values);
    content->erase(it);
  }
  std::size_t said = 0;
  for (const auto& [key, given] : *content) {
    if (said++ == kUnknownKeys) {
      return Say(absl::StrCat("--config: ", content->size() - kUnknownKeys, " more unknown keys in ", file));
    }
    Say(absl::StrCat("--config: unknown key ", Printable(key), " in ", file, ", line ", given.line,
                     DidYouMean(key, Names(&Option::file_key))));
  }
}

void Parser::Impl::ReadEnvironment(const std::vector<std::string>& environment, std::map<Entry*, Texts>& values) {
  std::map<std::string, std::string> variables;
  for (const std::string& assignment : environment) {
    const auto equals = assignment.find('=');
    if (equals != std::string::npos) variables[assignment.substr(0, equals)] = assignment.substr(equals + 1);
  }
  const auto take = [&](Entry& entry, const std::string& variable) {
    const auto it = variables.find(variable);
    if (it == variables.end()) return;
    Take(entry, Source::kEnvironment, variable);
    values[&entry] = entry.option.binding().is_list ? Texts(absl::StrSplit(it->second, ';', absl::SkipWhitespace()))
                                                    : Texts{it->second};
  };
  for (const auto& entry : entries) {
    const std::string alias = entry->option.env_alias();
    const auto own = variables.find(entry->option.variable());
    const auto other = alias.empty() ? variables.end() : variables.find(alias);
    if (own != variables.end() && other != variables.end() && own->second != other->second) {
      Say(absl::StrCat(entry->option.flag(), ": ", own->first, " and ", other->first, " differ"));
    }
    if (!alias.empty()) take(*entry, alias);
    take(*entry, entry->option.variable());
    variables.erase(entry->option.variable());
  }
  for (const auto& [name, ignored] : variables) {
    // EV_CENTRAL is exported by whoever uses evctl in the same shell.
    if (absl::StartsWith(name, "EV_") && name != "EV_CONFIG" && name != "EV_CENTRAL")
      warnings.push_back(
          absl::StrCat("unknown environment variable ", Printable(name), DidYouMean(name, Names(&Option::variable))));
  }
}

void Parser::Impl::ReadFlags(std::map<Entry*, Texts>& values) {
  for (const auto& entry : entries) {
    const bool by_position = entry->positional != nullptr && entry->positional->count() > 0;
    const bool by_flag = entry->flag->count() > 0;
    if (by_position && by_flag && entry->positional->results() != entry->flag->results()) {
      Say(absl::StrCat(entry->option.flag(), ": the argument \"", absl::StrJoin(entry->positional->results(), " "),
                       "\" stands for the same option and differs"));
    }
    if (by_position) {
      Take(*entry, Source::kFlag, "argument");
      values[entry.get()] = entry->positional->results();
    }
    if (by_flag) {
      Take(*entry, Source::kFlag, entry->option.flag());
      values[entry.get()] = entry->flag->results();
    }
  }
}

void Parser::Impl::Apply(const std::map<Entry*, Texts>& values) {
  for (const auto& entry : entries) {
    const auto it = values.find(entry.get());
    absl::Status status = it == values.end() ? absl::OkStatus() : entry->option.Set(it->second);
    if (status.ok()) status = entry->option.Validate();
    if (!status.ok()) Say(*entry, status);
  }
  if (!problems.empty()) return;  // Checks across options may rely on each being right.
  for (const auto& check : at_end) {
    if (auto status = check(); !status.ok()) Say(std::string(status.message()) + OriginOf(status.message()));
  }
}

// Reads back as a --config file. Options without a section come first, as the format wants it.
void Parser::Impl::Print(std::ostream& out) const {
  std::map<std::string, std::vector<const Entry*>> sections;
  for (const auto& entry : entries) {
    const std::string key = entry->option.file_key();
    const auto dot = key.find('.');
    sections[dot == std::string::npos ? "" : key.substr(0, dot)].push_back(entry.get());
  }
  out << "# " << program.name << " " << program.version << ": effective configuration\n";
  for (const auto& [section, members] : sections) {
    if (!section.empty()) out << "\n[" << section << "]\n";
    for (const Entry* entry : members) {
      const std::string key = entry->option.file_key().substr(section.empty() ? 0 : section.size() + 1);
      out << (IsMasked(entry->option) ? "# " : "") << key << " = " << FileValue(entry->option) << "  # "
          << entry->origin << "\n";
    }
  }
}

Parser::Parser(Program program) : impl_(std::make_unique<Impl>(std::move(program))) {
  CLI::App& app = impl_->app;
  app.set_help_flag("-h,--help", "print this and exit");
  app.set_version_flag("--version", absl::StrCat(impl_->program.name, " ", impl_->program.version),
                       "print the version and exit");
  app.add_option("--config", impl_->file, "file to read options from, INI or TOML; also EV_CONFIG")->type_name("FILE");
  app.add_flag("--print-config", impl_->print_only, "print every option with its value and origin, and exit");
  app.add_flag("--check-config", impl_->check_only, "exit with 0 when the configuration is right, else with 2");
}

Parser::~Parser() = default;

void Parser::Group(std::string heading) {
  impl_->group = std::move(heading);
}

Option& Parser::AddBound(absl::string_view name, absl::string_view help, Option::Binding binding) {
  auto entry = std::make_unique<Entry>(Entry{.option = Option(name, help, std::move(binding)), .group = impl_->group});
  const bool is_new = impl_->by_name.emplace(std::string(name), entry.get()).second;
  assert(is_new);
  static_cast<void>(is_new);
  impl_->entries.push_back(std::move(entry));
  return impl_->entries.back()->option;
}

void Parser::Positional(absl::string_view name) {
  Entry* entry = impl_->Find(name);
  assert(entry != nullptr);
  impl_->positionals.push_back(entry);
}

void Parser::AtEnd(std::function<absl::Status()> check) {
  impl_->at_end.push_back(std::move(check));
}

std::optional<int> Parser::Run(int argc, const char* const* argv) {
  std::vector<std::string> environment;
  for (char** variable = ::environ; variable != nullptr && *variable != nullptr; ++variable) {
    environment.emplace_back(*variable);
  }
  return Run(argc, argv, environment, std::cout, std::cerr);
}

std::optional<int> Parser::Run(int argc, const char* const* argv, const std::vector<std::string>& environment,
                               std::ostream& out, std::ostream& err) {
  impl_->DeclareFlags();
  if (const auto exit_code = ParseCommandLine(impl_->app, argc, argv, out, err)) return exit_code;
  for (const std::string& assignment : environment) {
    if (impl_->file.empty() && absl::StartsWith(assignment, "EV_CONFIG=")) impl_->file = assignment.substr(10);
  }

  std::map<Entry*, Texts> values;
  impl_->ReadFileValues(values);
  impl_->ReadEnvironment(environment, values);
  impl_->ReadFlags(values);
  impl_->Apply(values);
  const bool is_to_run = impl_->problems.empty() && !impl_->print_only && !impl_->check_only;
  if (is_to_run) return std::nullopt;  // The program logs the warnings.
  for (const std::string& warning : impl_->warnings) err << impl_->program.name << ": warning: " << warning << "\n";
  for (const std::string& problem : impl_->problems) err << impl_->program.name << ": " << problem << "\n";
  if (!impl_->problems.empty()) return kMisconfigured;
  if (impl_->print_only) impl_->Print(out);
  if (impl_->check_only && !impl_->print_only) out << impl_->program.name << ": configuration is right\n";
  return 0;
}

const Program& Parser::program() const {
  return impl_->program;
}

Source Parser::source(absl::string_view name) const {
  const Entry* entry = impl_->Find(name);
  assert(entry != nullptr);
  return entry->source;
}

const std::vector<std::string>& Parser::warnings() const {
  return impl_->warnings;
}

}  // namespace ev::config
