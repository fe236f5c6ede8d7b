#include "libs/rest/tls_identity.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <limits>
#include <utility>

namespace sandgate::rest {
namespace {

using base::Code;
using base::Result;
using base::Status;

struct BioDeleter {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using Bio = std::unique_ptr<BIO, BioDeleter>;

Bio OpenPem(const std::string& pem) {
  if (pem.size() > std::numeric_limits<int>::max()) return nullptr;
  return Bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

// An encrypted key must fail, not ask the terminal for a password.
int NoPassword(char* /*buffer*/, int /*size*/, int /*write*/, void* /*data*/) {
  return -1;
}

template <typename Vector>
Status ReadCertificates(const std::string& pem, const std::string& what, Vector* out) {
  const Bio bio = OpenPem(pem);
  while (bio) {
    X509* certificate = PEM_read_bio_X509(bio.get(), nullptr, NoPassword, nullptr);
    if (certificate == nullptr) break;
    out->emplace_back(certificate);
  }
  // The end of the text shows as "no start line"; anything else is a broken certificate.
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (!out->empty() && at_end) return Status::Ok();
  return Status(Code::kInvalidArgument, what + ": not a certificate in PEM");
}

}  // namespace

Result<std::shared_ptr<const TlsIdentity>> TlsIdentity::Create(const std::string& ca_pem,
                                                               const std::string& certificate_pem,
                                                               const std::string& key_pem) {
  std::shared_ptr<TlsIdentity> identity(new TlsIdentity());
  std::vector<Certificate> authorities;
  if (Status status = ReadCertificates(ca_pem, "the API server's CA", &authorities); !status.ok()) {
    return status;
  }
  identity->store_.reset(X509_STORE_new());
  for (const Certificate& authority : authorities) {
    if (X509_STORE_add_cert(identity->store_.get(), authority.get()) != 1) {
      return Status(Code::kInvalidArgument, "the API server's CA cannot be used");
    }
  }
  if (certificate_pem.empty() && key_pem.empty()) return {std::move(identity)};
  if (Status status = ReadCertificates(certificate_pem, "client certificate", &identity->chain_);
      !status.ok()) {
    return status;
  }
  const Bio bio = OpenPem(key_pem);
  identity->key_.reset(PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassword, nullptr));
  ERR_clear_error();
  if (!identity->key_) {
    return Status(Code::kInvalidArgument, "client key: not a private key in PEM");
  }
  if (X509_check_private_key(identity->chain_.front().get(), identity->key_.get()) != 1) {
    ERR_clear_error();
    return Status(Code::kInvalidArgument, "client key: does not belong to the client certificate");
  }
  return {std::move(identity)};
}

bool TlsIdentity::ApplyTo(SSL_CTX* context) const {
  // The library loaded the system's authorities before it asked us: this store replaces them.
  SSL_CTX_set1_cert_store(context, store_.get());
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1) return false;
  if (!key_) return true;
  if (SSL_CTX_use_certificate(context, chain_.front().get()) != 1) return false;
  for (size_t i = 1; i < chain_.size(); ++i) {
    if (SSL_CTX_add1_chain_cert(context, chain_[i].get()) != 1) return false;
  }
  return SSL_CTX_use_PrivateKey(context, key_.get()) == 1;
}

}  // namespace sandgate::rest
