#include "base/secret.h"

#include <gtest/gtest.h>

namespace ev {
namespace {

// B172
TEST(SecretTest, WhatMayHoldASecretIsKnownByItsName) {
  for (const char* name : {"sasl.password", "ssl.key.password", "ssl.keystore.password", "ssl.key.pem", "SASL.Password",
                           "sasl.oauthbearer.client.secret", "sasl.oauthbearer.config", "sasl.jaas.config",
                           "ssl.key.passphrase", "api.key", "access_key", "auth-token"}) {
    EXPECT_TRUE(SoundsSecret(name)) << name;
  }
  for (const char* name : {"sasl.username", "ssl.key.location", "sasl.kerberos.keytab", "linger.ms", ""}) {
    EXPECT_FALSE(SoundsSecret(name)) << name;
  }
}

}  // namespace
}  // namespace ev
