#ifndef EV_CLI_EVCTL_TABLE_H_
#define EV_CLI_EVCTL_TABLE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace ev::evctl {

enum class Output { kTable, kWide, kJson, kCsv };

// "table", "wide", "json", "csv"; InvalidArgument names them.
absl::StatusOr<Output> ParseOutput(absl::string_view text);

struct Cell {
  std::string text;
  absl::string_view color;  // As terminal.h has them. Tables only.
};

// Lines of aligned cells under their names, two blanks between them, without blanks at an end. `colored`: for a
// terminal. Control characters are shown as `?`.
std::string TableText(absl::Span<const std::string> names, absl::Span<const std::vector<Cell>> rows, bool colored);

// RFC 4180, with '\n' as line end: the names, then a line for each row. Cells with a comma, a quote or a line end are
// quoted. One that a spreadsheet would take for a formula (it begins with = + - @ and is no number) gets an apostrophe
// before it: ids and reasons are chosen by others.
std::string CsvText(absl::Span<const std::string> names, absl::Span<const std::vector<Cell>> rows);

// As CSV, or as a table: "none" where there is no row.
std::string RowsText(Output output, absl::Span<const std::string> names, absl::Span<const std::vector<Cell>> rows,
                     bool colored);
}  // namespace ev::evctl

#endif  // EV_CLI_EVCTL_TABLE_H_
