#ifndef EV_CONFIG_COMMAND_LINE_H_
#define EV_CONFIG_COMMAND_LINE_H_

#include <iosfwd>
#include <optional>

namespace CLI {
class App;
}

namespace ev::config {

// Parses the arguments as all our programs take them: `--name value` or `--name=value`, where nothing after the `=` is
// the empty value and a following option is no value. Returns nullopt when `app` holds them, otherwise the code to exit
// with: 0 after --help and --version, 2 when they cannot be understood, why having been said on `err`.
std::optional<int> ParseCommandLine(CLI::App& app, int argc, const char* const* argv, std::ostream& out,
                                    std::ostream& err);

}  // namespace ev::config

#endif  // EV_CONFIG_COMMAND_LINE_H_
