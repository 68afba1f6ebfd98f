#include "config/file.h"

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"

namespace ev::config {
namespace {

// CLI11 2.1 cuts a value at its comment character even inside quotes, which would shorten a password silently.
std::string WithoutComments(std::istream& input) {
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

class Format : public CLI::ConfigTOML {
 public:
  Format() { comment('\x01'); }  // Comments are gone already.
};

}  // namespace

absl::StatusOr<std::map<std::string, std::vector<std::string>>> ReadFile(const std::string& path) {
  std::ifstream file(path);
  if (!file) return absl::InvalidArgumentError(absl::StrCat("cannot read ", path, ": ", std::strerror(errno)));
  std::istringstream text(WithoutComments(file));
  std::map<std::string, std::vector<std::string>> values;
  try {
    for (const CLI::ConfigItem& item : Format().from_config(text)) {
      if (item.name == "--" || item.name == "++") continue;  // CLI11's marks of where a section ends and begins.
      if (!values.emplace(item.fullname(), item.inputs).second) {
        return absl::InvalidArgumentError(absl::StrCat(path, " has ", item.fullname(), " twice"));
      }
    }
  } catch (const std::exception& error) {
    return absl::InvalidArgumentError(absl::StrCat("cannot read ", path, ": ", error.what()));
  }
  return values;
}

}  // namespace ev::config
