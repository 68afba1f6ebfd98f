#ifndef EV_STORE_STORE_COPY_H_
#define EV_STORE_STORE_COPY_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace ev::store {

// A store as it was at one moment, as the bytes of a file that may take its place. Goes with this object.
class StoreCopy {
 public:
  virtual ~StoreCopy() = default;

  virtual std::int64_t size() const = 0;
  // The bytes from `offset` on, at most `limit`; fewer only at the end.
  virtual absl::StatusOr<std::string> Read(std::int64_t offset, std::size_t limit) = 0;
};

// Asked again and again while a copy is made: an error ends it.
using MayGoOn = std::function<absl::Status()>;

}  // namespace ev::store

#endif  // EV_STORE_STORE_COPY_H_
