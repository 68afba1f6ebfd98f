#ifndef EV_CLI_EVCTL_ROWS_H_
#define EV_CLI_EVCTL_ROWS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "cli/evctl/table.h"

namespace evcharging::central::v1 {
class ChargingPoint;
class Gap;
class Session;
}  // namespace evcharging::central::v1
namespace evcharging::common::v1 {
class Ticket;
}  // namespace evcharging::common::v1

// What Central answers, as rows. A table has figures rounded for the eye; CSV has every digit (kWh and amounts with six
// decimals, which is all that is kept) and times in UTC by RFC 3339.
namespace ev::evctl {

// Of `output`, which is not kJson. `Item` is one of the messages above.
template <typename Item>
std::vector<std::string> Names(Output output);
template <typename Item>
std::vector<Cell> Row(const Item& item, Output output);

// "1.234567": millionths with every digit.
std::string Exact(std::int64_t millionths);

// The session from meter to bill, several lines.
std::string Describe(const evcharging::central::v1::Session& session);
std::string Describe(const evcharging::central::v1::ChargingPoint& point);

}  // namespace ev::evctl

#endif  // EV_CLI_EVCTL_ROWS_H_
