#include "base/nearest.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"

namespace ev {
namespace {

// How many letters must be added, left out, replaced or swapped with their neighbour to make `b` of `a`.
std::size_t Slips(absl::string_view a, absl::string_view b) {
  std::vector<std::vector<std::size_t>> slips(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) {
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        slips[i][j] = i + j;
        continue;
      }
      slips[i][j] = std::min({slips[i - 1][j] + 1, slips[i][j - 1] + 1, slips[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
      const bool is_swap = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (is_swap) slips[i][j] = std::min(slips[i][j], slips[i - 2][j - 2] + 1);
    }
  }
  return slips[a.size()][b.size()];
}

constexpr std::size_t kLongestWord = 100;  // A longer one is no slip, and the table stays small.

}  // namespace

std::string DidYouMean(absl::string_view word, const std::vector<std::string>& known) {
  if (word.size() > kLongestWord) return "";
  // Of a short word two letters are half.
  std::size_t fewest = word.size() < 5 ? 2 : 3;
  absl::string_view nearest;
  for (const std::string& candidate : known) {
    if (const std::size_t slips = Slips(word, candidate); slips < fewest) {
      fewest = slips;
      nearest = candidate;
    }
  }
  return nearest.empty() ? "" : absl::StrCat("; did you mean ", nearest, "?");
}

}  // namespace ev
