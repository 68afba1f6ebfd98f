#include "cli/evctl/table.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/nearest.h"
#include "base/text.h"
#include "terminal/terminal.h"

namespace ev::evctl {
namespace {

// How many places it takes on a terminal, with one for each character.
std::size_t Width(absl::string_view text) {
  std::size_t width = 0;
  while (!text.empty()) {
    text.remove_prefix(std::max<std::size_t>(CharacterLength(text), 1));
    ++width;
  }
  return width;
}

bool IsFormula(absl::string_view text) {
  double number = 0;
  return !text.empty() && absl::string_view("=+-@").find(text[0]) != text.npos && !absl::SimpleAtod(text, &number);
}

std::string CsvCell(absl::string_view text) {
  const std::string cell = absl::StrCat(IsFormula(text) ? "'" : "", text);
  if (cell.find_first_of(",\"\r\n") == cell.npos) return cell;
  return absl::StrCat("\"", absl::StrReplaceAll(cell, {{"\"", "\"\""}}), "\"");
}

}  // namespace

absl::StatusOr<Output> ParseOutput(absl::string_view text) {
  if (text == "table") return Output::kTable;
  if (text == "wide") return Output::kWide;
  if (text == "json") return Output::kJson;
  if (text == "csv") return Output::kCsv;
  return absl::InvalidArgumentError(absl::StrCat("-o: table, wide, json or csv, not \"", Printable(text), "\"",
                                                 DidYouMean(text, {"table", "wide", "json", "csv"})));
}

std::string TableText(absl::Span<const std::string> names, absl::Span<const std::vector<Cell>> rows, bool colored) {
  std::vector<std::size_t> widths;
  for (const std::string& name : names) widths.push_back(Width(name));
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], Width(row[i].text));
  }
  std::string out;
  const auto add = [&](std::size_t i, absl::string_view text, absl::string_view color) {
    absl::StrAppend(&out, terminal::Painted(Printable(text), color, colored));
    if (i + 1 < names.size()) out.append(widths[i] - std::min(widths[i], Width(text)) + 2, ' ');
  };
  const auto end_line = [&out] {
    out.erase(out.find_last_not_of(' ') + 1);
    out += '\n';
  };
  for (std::size_t i = 0; i < names.size(); ++i) add(i, names[i], "");
  end_line();
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) add(i, row[i].text, row[i].color);
    end_line();
  }
  return out;
}

std::string CsvText(absl::Span<const std::string> names, absl::Span<const std::vector<Cell>> rows) {
  std::string out;
  for (std::size_t i = 0; i < names.size(); ++i) absl::StrAppend(&out, i > 0 ? "," : "", CsvCell(names[i]));
  out += '\n';
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) absl::StrAppend(&out, i > 0 ? "," : "", CsvCell(row[i].text));
    out += '\n';
  }
  return out;
}

std::string RowsText(Output output, absl::Span<const std::string> names, absl::Span<const std::vector<Cell>> rows,
                     bool colored) {
  if (output == Output::kCsv) return CsvText(names, rows);
  return rows.empty() ? "none\n" : TableText(names, rows, colored);
}
}  // namespace ev::evctl
