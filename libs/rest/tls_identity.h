// Whom we trust and who we are, parsed once, put into every connection's context.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <vector>

#include "libs/base/status.h"

namespace sandgate::rest {

// Immutable, so safe to share between threads.
class TlsIdentity {
 public:
  // `certificate_pem` and `key_pem`: both or neither. kInvalidArgument says which PEM is wrong; the
  // key and the certificate must belong together.
  static base::Result<std::shared_ptr<const TlsIdentity>> Create(const std::string& ca_pem,
                                                                 const std::string& certificate_pem,
                                                                 const std::string& key_pem);

  // Replaces the context's trust store by our CA alone, demands TLS 1.2 and a peer that proves
  // itself, adds the client certificate. False if OpenSSL refuses: the context must not be used.
  bool ApplyTo(SSL_CTX* context) const;

 private:
  template <auto Free>
  struct Deleter {
    template <typename T>
    void operator()(T* object) const {
      Free(object);
    }
  };
  using Store = std::unique_ptr<X509_STORE, Deleter<X509_STORE_free>>;
  using Certificate = std::unique_ptr<X509, Deleter<X509_free>>;
  using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;

  TlsIdentity() = default;

  Store store_;
  std::vector<Certificate> chain_;  // ours first, then its issuers
  Key key_;
};

}  // namespace sandgate::rest
