#include "config/file.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <sstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/text.h"
#include "config/text_file.h"

namespace ev::config {
namespace {

// CLI11 takes time and memory that grow with the square of a list's length and of a section's depth.
constexpr std::size_t kMaxKib = 64;
constexpr std::size_t kNameBytes = 200;  // Of a section or a key.
constexpr std::size_t kShownLines = 10;

// CLI11 2.1 cuts a value at its comment character even inside quotes, which would shorten a password silently.
std::string WithoutComments(const std::string& text) {
  std::istringstream input(text);
  std::string out;
  for (std::string line; std::getline(input, line); out += '\n') {
    char quote = '\0';
    for (char c : line) {
      if (quote == '\0' && c == '#') break;
      if (quote == c) {
        quote = '\0';
      } else if (quote == '\0' && (c == '"' || c == '\'')) {
        quote = c;
      }
      out += c;
    }
  }
  return out;
}

// In which lines each key stands. CLI11 does not say, and leaves out lines of one or two characters without a word:
// they are InvalidArgument here.
absl::StatusOr<std::map<std::string, std::vector<int>>> LinesOfKeys(const std::string& text, const std::string& path) {
  std::map<std::string, std::vector<int>> lines;
  std::string section;
  bool is_in_list = false;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line);
    if (std::exchange(is_in_list, is_in_list && !absl::EndsWith(line, "]")) || line.empty()) continue;
    if (line.front() == ';') continue;  // A comment, too.
    const auto mistaken = [&] {
      return absl::InvalidArgumentError(absl::StrCat("\"", Excerpt(line, kNameBytes),
                                                     "\" is no option and no section, in ", path, ", line ", number));
    };
    if (line.size() < 3) return mistaken();
    if (line.front() == '[' && line.back() == ']') {
      if (line.size() > kNameBytes) return mistaken();
      line = absl::StripPrefix(absl::StripSuffix(line.substr(1, line.size() - 2), "]"), "[");
      section = absl::EqualsIgnoreCase(line, "default") ? "" : absl::StrCat(line, ".");
      continue;
    }
    const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(line, absl::MaxSplits('=', 1));
    if (parts.first.size() > kNameBytes) return mistaken();
    const absl::string_view value = absl::StripAsciiWhitespace(parts.second);
    is_in_list = value.size() > 1 && value.front() == '[' && value.back() != ']';
    std::string key(absl::StripAsciiWhitespace(parts.first));
    CLI::detail::remove_quotes(key);
    lines[section + key].push_back(number);
  }
  return lines;
}

std::string FirstOf(const std::vector<int>& lines) {
  const std::size_t shown = std::min(lines.size(), kShownLines);
  return absl::StrCat(absl::StrJoin(lines.begin(), lines.begin() + static_cast<std::ptrdiff_t>(shown), ", "),
                      lines.size() > shown ? absl::StrCat(" and ", lines.size() - shown, " more") : "");
}

class Format : public CLI::ConfigTOML {
 public:
  Format() { comment('\x01'); }  // Comments are gone already.
};

}  // namespace

absl::StatusOr<std::map<std::string, FileEntry>> ReadFile(const std::string& path) {
  const auto file = ReadTextFile(path, kMaxKib);
  if (!file.ok()) return file.status();
  const std::string content = WithoutComments(*file);
  const auto lines = LinesOfKeys(content, path);
  if (!lines.ok()) return lines.status();
  std::istringstream text(content);
  std::map<std::string, FileEntry> entries;
  try {
    for (const CLI::ConfigItem& item : Format().from_config(text)) {
      if (item.name == "--" || item.name == "++") continue;  // CLI11's marks of where a section ends and begins.
      const auto at = lines->find(item.fullname());
      if (at != lines->end() && at->second.size() > 1) {
        return absl::InvalidArgumentError(absl::StrCat(path, " has ", Printable(item.fullname()),
                                                       " more than once, in the lines ", FirstOf(at->second)));
      }
      entries[item.fullname()] = {.values = item.inputs, .line = at == lines->end() ? 0 : at->second.front()};
    }
  } catch (const std::exception& error) {
    return absl::InvalidArgumentError(absl::StrCat("cannot read ", path, ": ", error.what()));
  }
  return entries;
}

}  // namespace ev::config
