#ifndef EV_DIGEST_SHA256_H_
#define EV_DIGEST_SHA256_H_

#include <memory>
#include <string>

#include "absl/strings/string_view.h"

typedef struct evp_md_ctx_st EVP_MD_CTX;

namespace ev {

// SHA-256 of bytes that come in parts.
class Sha256 {
 public:
  Sha256();
  void Add(absl::string_view bytes);
  // 64 lower-case hexadecimal digits. Once, last.
  std::string Finish();

 private:
  struct Free {
    void operator()(EVP_MD_CTX* context) const;
  };
  std::unique_ptr<EVP_MD_CTX, Free> context_;
};

}  // namespace ev

#endif  // EV_DIGEST_SHA256_H_
