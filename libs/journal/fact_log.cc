#include "journal/fact_log.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace ev::journal {

void LogWrite::Append(LogWrite later) {
  if (later.cp) cp = std::move(later.cp);
  if (later.mark) mark = later.mark;
  std::move(later.facts.begin(), later.facts.end(), std::back_inserter(facts));
  std::move(later.settled.begin(), later.settled.end(), std::back_inserter(settled));
}

std::vector<Fact> UnbookedCharges(const LogContents& contents) {
  std::vector<Fact> charges;
  std::copy_if(contents.unsettled.begin(), contents.unsettled.end(), std::back_inserter(charges),
               [](const Fact& fact) { return fact.kind == FactKind::kFinal; });
  if (contents.open) {
    charges.push_back(contents.open->start);
    charges.back().energy_mwh = contents.open->last_energy_mwh;
  }
  return charges;
}

}  // namespace ev::journal
