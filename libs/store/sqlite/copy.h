#ifndef EV_STORE_SQLITE_COPY_H_
#define EV_STORE_SQLITE_COPY_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "store/store_copy.h"

namespace ev::store::sqlite {

// Copies the database `path` as it is at one moment, by a connection of its own: commits go on meanwhile, and the
// write-ahead log grows by what they write. The copy lies beside it without a name, so that nothing is left of it
// however the process ends. ResourceExhausted: it would leave less than `reserve` bytes free for the store itself.
absl::StatusOr<std::unique_ptr<StoreCopy>> CopyDatabase(const std::string& path, std::int64_t reserve,
                                                        const MayGoOn& may_go_on);

}  // namespace ev::store::sqlite

#endif  // EV_STORE_SQLITE_COPY_H_
