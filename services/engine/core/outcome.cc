#include "services/engine/core/outcome.h"

#include <iterator>
#include <utility>

namespace ev::engine {
namespace {

template <typename T>
void MoveTo(std::vector<T>& to, std::vector<T>& from) {
  std::move(from.begin(), from.end(), std::back_inserter(to));
}

}  // namespace

void Outcome::Append(Outcome later) {
  open_contactor = later.open_contactor;
  if (later.close_contactor_at_mwh) close_contactor_at_mwh = later.close_contactor_at_mwh;
  log.Append(std::move(later.log));
  if (later.status) status = std::move(later.status);
  status_changed = status_changed || later.status_changed;
  MoveTo(requests, later.requests);
  MoveTo(request_results, later.request_results);
  produce_again = produce_again || later.produce_again;
  MoveTo(notes, later.notes);
}

}  // namespace ev::engine
