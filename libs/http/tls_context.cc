#include "libs/http/tls_context.h"

#include <openssl/ssl.h>

#include "libs/http/openssl_ptr.h"

namespace sandgate::http {
namespace {

using base::Code;
using base::Status;

// Forward-secret and authenticated encryption only; TLS 1.3 has nothing else.
constexpr char kTls12Ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20";
constexpr unsigned char kAlpn[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

Status Bad(const char* what) {
  ERR_clear_error();
  return Status(Code::kInvalidArgument, what);
}

Status UseIdentity(SSL_CTX* context, const TlsIdentity& identity) {
  const KeyPtr key = ParseKey(identity.key_pem);
  if (!key) return Bad("no usable private key in PEM");
  const std::vector<CertPtr> chain = ParseCertificates(identity.certificate_pem);
  if (chain.empty()) return Bad("no usable certificate in PEM");
  if (SSL_CTX_use_certificate(context, chain[0].get()) != 1) return Bad("certificate refused");
  for (size_t i = 1; i < chain.size(); ++i) {
    if (SSL_CTX_add1_chain_cert(context, chain[i].get()) != 1) return Bad("chain refused");
  }
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1) {
    return Bad("private key and certificate do not fit");
  }
  return Status::Ok();
}

// The context starts with an empty store: the system's authorities never count.
Status TrustOnly(SSL_CTX* context, const std::string& ca_pem) {
  const std::vector<CertPtr> authorities = ParseCertificates(ca_pem);
  if (authorities.empty()) return Bad("no usable CA certificate in PEM");
  X509_STORE* const store = SSL_CTX_get_cert_store(context);
  for (const CertPtr& authority : authorities) {
    if (X509_STORE_add_cert(store, authority.get()) != 1) return Bad("CA certificate refused");
  }
  return Status::Ok();
}

int SelectHttp11(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
                 unsigned int in_size, void*) {
  unsigned char* selected = nullptr;
  if (SSL_select_next_proto(&selected, out_size, kAlpn, sizeof kAlpn, in, in_size) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *out = selected;
  return SSL_TLSEXT_ERR_OK;
}

void Harden(SSL_CTX* context) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(context, kTls12Ciphers);
  // No resumption: it would carry an old certificate's verdict into a new connection.
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);  // idle connections keep less memory
}

}  // namespace

KeyPtr ParseKey(const std::string& pem) {
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const auto no_password = [](char*, int, int, void*) { return 0; };
  KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr));
  ERR_clear_error();
  return key;
}

std::vector<CertPtr> ParseCertificates(const std::string& pem) {
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  std::vector<CertPtr> certificates;
  while (X509* const certificate = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    certificates.emplace_back(certificate);
    // OpenSSL reads a certificate's extensions when it first needs them and keeps the answer inside
    // it: asked for here, while no other thread has it.
    X509_check_purpose(certificate, -1, 0);
  }
  const bool only_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (!only_end) certificates.clear();
  return certificates;
}

base::Result<std::shared_ptr<TlsContext>> MakeServerContext(const ServerTls& tls) {
  auto context = std::make_shared<TlsContext>(TlsContext::tls_server);
  SSL_CTX* const native = context->native_handle();
  Harden(native);
  SSL_CTX_set_alpn_select_cb(native, SelectHttp11, nullptr);
  const Status identity = UseIdentity(native, tls.identity);
  if (!identity.ok()) return identity.WithContext("server identity");
  if (!tls.client_ca_pem.empty()) {
    const Status trust = TrustOnly(native, tls.client_ca_pem);
    if (!trust.ok()) return trust.WithContext("client CA");
    for (const CertPtr& authority : ParseCertificates(tls.client_ca_pem)) {
      SSL_CTX_add_client_CA(native, authority.get());
    }
    SSL_CTX_set_verify(native, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  return context;
}

base::Result<std::shared_ptr<TlsContext>> MakeClientContext(const TlsIdentity& identity,
                                                            const std::string& ca_pem) {
  auto context = std::make_shared<TlsContext>(TlsContext::tls_client);
  SSL_CTX* const native = context->native_handle();
  Harden(native);
  SSL_CTX_set_alpn_protos(native, kAlpn, sizeof kAlpn);
  if (!identity.empty()) {
    const Status used = UseIdentity(native, identity);
    if (!used.ok()) return used.WithContext("client identity");
  }
  const Status trust = TrustOnly(native, ca_pem);
  if (!trust.ok()) return trust.WithContext("server CA");
  SSL_CTX_set_verify(native, SSL_VERIFY_PEER, nullptr);
  return context;
}

base::Result<std::shared_ptr<TlsContext>> MakeWebContext(const std::string& ca_pem) {
  auto context = std::make_shared<TlsContext>(TlsContext::tls_client);
  SSL_CTX* const native = context->native_handle();
  Harden(native);
  SSL_CTX_set_alpn_protos(native, kAlpn, sizeof kAlpn);
  if (ca_pem.empty()) {
    if (SSL_CTX_set_default_verify_paths(native) != 1) return Bad("no system authorities");
  } else {
    const Status trust = TrustOnly(native, ca_pem);
    if (!trust.ok()) return trust.WithContext("server CA");
  }
  SSL_CTX_set_verify(native, SSL_VERIFY_PEER, nullptr);
  return context;
}

bool DemandHost(SSL* tls, const std::string& host, bool is_ip) {
  X509_VERIFY_PARAM* const demanded = SSL_get0_param(tls);
  if (is_ip) return X509_VERIFY_PARAM_set1_ip_asc(demanded, host.c_str()) == 1;
  X509_VERIFY_PARAM_set_hostflags(
      demanded, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  return X509_VERIFY_PARAM_set1_host(demanded, host.data(), host.size()) == 1 &&
         SSL_set_tlsext_host_name(tls, host.c_str()) == 1;
}

std::string WhyUnverified(SSL* tls) {
  const long verdict = SSL_get_verify_result(tls);  // NOLINT: OpenSSL's own type
  return verdict == X509_V_OK ? "" : X509_verify_cert_error_string(verdict);
}

bool PeerIsVerified(SSL* tls) {
  return (SSL_get_verify_mode(tls) & SSL_VERIFY_PEER) != 0 &&
         SSL_get0_peer_certificate(tls) != nullptr && SSL_get_verify_result(tls) == X509_V_OK;
}

std::vector<std::string> PeerUris(SSL* tls) {
  std::vector<std::string> uris;
  X509* const certificate = SSL_get0_peer_certificate(tls);
  if (certificate == nullptr) return uris;
  const NamesPtr names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI) continue;
    const ASN1_IA5STRING* const uri = name->d.uniformResourceIdentifier;
    const std::string text(reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)),
                           static_cast<size_t>(ASN1_STRING_length(uri)));
    if (text.find('\0') == std::string::npos) uris.push_back(text);
  }
  return uris;
}

}  // namespace sandgate::http
