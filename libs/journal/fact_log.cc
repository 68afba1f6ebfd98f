#include "journal/fact_log.h"

#include <iterator>
#include <utility>

namespace ev::journal {

void LogWrite::Append(LogWrite later) {
  if (later.cp) cp = std::move(later.cp);
  if (later.mark) mark = later.mark;
  std::move(later.facts.begin(), later.facts.end(), std::back_inserter(facts));
  std::move(later.settled.begin(), later.settled.end(), std::back_inserter(settled));
}

}  // namespace ev::journal
