#ifndef EV_TESTS_UNIT_STORE_CHILD_H_
#define EV_TESTS_UNIT_STORE_CHILD_H_

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <stdexcept>

namespace ev::store {

// A child process, which ends with the test at the latest.
class Child {
 public:
  // `body` writes to the descriptor what the parent reads.
  explicit Child(const std::function<void(int)>& body) {
    int ends[2];
    if (::pipe(ends) != 0) throw std::runtime_error("pipe");
    pid_ = ::fork();
    if (pid_ == 0) {
      ::close(ends[0]);
      body(ends[1]);
      ::_exit(0);
    }
    ::close(ends[1]);
    read_end_ = ends[0];
  }
  ~Child() {
    Kill();
    ::close(read_end_);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  void Kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  // False at the end.
  bool Read(int& number) { return ::read(read_end_, &number, sizeof(number)) == sizeof(number); }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = 0;
  int read_end_ = -1;
};

inline void Tell(int descriptor, int number) {
  if (::write(descriptor, &number, sizeof(number)) != sizeof(number)) ::_exit(3);
}

}  // namespace ev::store

#endif  // EV_TESTS_UNIT_STORE_CHILD_H_
