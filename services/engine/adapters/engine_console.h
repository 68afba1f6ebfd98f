#ifndef EV_SERVICES_ENGINE_ADAPTERS_ENGINE_CONSOLE_H_
#define EV_SERVICES_ENGINE_ADAPTERS_ENGINE_CONSOLE_H_

#include <functional>
#include <string>

#include "absl/strings/string_view.h"
#include "services/engine/adapters/engine_host.h"

namespace ev::engine {

// What a person at the charging point can type. Thread-safe.
class EngineConsole {
 public:
  // `print` gets the answers, line by line, from any thread; `quit` ends the program.
  EngineConsole(EngineHost& host, std::function<void(absl::string_view)> print, std::function<void()> quit)
      : host_(host), print_(std::move(print)), quit_(std::move(quit)) {}

  void OnLine(const std::string& line);

  static absl::string_view Help();

 private:
  void Request(absl::string_view arguments);

  EngineHost& host_;
  std::function<void(absl::string_view)> print_;
  std::function<void()> quit_;
};

// The Engine's state in one line, for people.
std::string Describe(const Status& status);

}  // namespace ev::engine

#endif  // EV_SERVICES_ENGINE_ADAPTERS_ENGINE_CONSOLE_H_
