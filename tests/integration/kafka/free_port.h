#ifndef EV_TESTS_INTEGRATION_KAFKA_FREE_PORT_H_
#define EV_TESTS_INTEGRATION_KAFKA_FREE_PORT_H_

#include <absl/strings/str_cat.h>

#include <string>

#include "tests/support/free_port.h"

namespace ev {

inline std::string Loopback(int port) {
  return absl::StrCat("127.0.0.1:", port);
}

}  // namespace ev

#endif  // EV_TESTS_INTEGRATION_KAFKA_FREE_PORT_H_
