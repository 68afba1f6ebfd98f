#ifndef EV_TESTS_SUPPORT_FREE_PORT_H_
#define EV_TESTS_SUPPORT_FREE_PORT_H_

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <random>
#include <stdexcept>
#include <string>

namespace ev {

// A port on 127.0.0.1 on which nobody listens, for a server that comes later, or goes and comes back. Below the ports
// that the kernel gives by itself, so that meanwhile no connection of another test takes it, and a client that dials it
// does not meet itself. Each call gives another one.
inline int FreePort() {
  constexpr int kFirst = 20'000;
  constexpr int kCount = 12'000;
  static std::atomic<unsigned> next{std::random_device()()};
  for (int attempt = 0; attempt < kCount; ++attempt) {
    const int port = kFirst + static_cast<int>(next++ % kCount);
    const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    const bool is_free = ::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
    ::close(socket);
    if (is_free) return port;
  }
  throw std::runtime_error("no free port");
}

inline std::string Loopback(int port) {
  return "127.0.0.1:" + std::to_string(port);
}

}  // namespace ev

#endif  // EV_TESTS_SUPPORT_FREE_PORT_H_
