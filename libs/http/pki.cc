#include <arpa/inet.h>
#include <openssl/ec.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>

#include "libs/http/openssl_ptr.h"
#include "libs/http/tls.h"

namespace sandgate::http {
namespace {

using base::Code;
using base::Result;
using base::Status;

constexpr std::chrono::minutes kClockSkew{5};
constexpr int kSerialBits = 127;  // positive, at most 20 octets (RFC 5280 section 4.1.2.2)
constexpr long kX509Version3 = 2;
constexpr int kLastTmYear = 2261 - 1900;  // base::Time ends in 2262; certificates know year 9999
constexpr char kCurve[] = "P-256";

Status Failed(const char* what) {
  ERR_clear_error();
  return Status(Code::kInternal, what);
}

KeyPtr NewKey() {
  return KeyPtr(EVP_EC_gen(kCurve));
}

std::string TakeText(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<size_t>(size));
}

Result<TlsIdentity> ToPem(X509* certificate, EVP_PKEY* key) {
  const BioPtr cert_bio(BIO_new(BIO_s_mem()));
  const BioPtr key_bio(BIO_new(BIO_s_secmem()));
  if (!cert_bio || !key_bio || PEM_write_bio_X509(cert_bio.get(), certificate) != 1 ||
      PEM_write_bio_PKCS8PrivateKey(key_bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) !=
          1) {
    return Failed("writing PEM");
  }
  return TlsIdentity{TakeText(cert_bio.get()), TakeText(key_bio.get())};
}

bool SetTimes(X509* certificate, base::Time from, base::Time until) {
  const std::time_t start = std::chrono::system_clock::to_time_t(from);
  const std::time_t end = std::chrono::system_clock::to_time_t(until);
  return ASN1_TIME_set(X509_getm_notBefore(certificate), start) != nullptr &&
         ASN1_TIME_set(X509_getm_notAfter(certificate), end) != nullptr;
}

bool SetRandomSerial(X509* certificate) {
  const BigNumPtr serial(BN_new());
  return serial && BN_rand(serial.get(), kSerialBits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
         BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(certificate)) != nullptr;
}

// False for names X.509 has no room for (a common name has at most 64 characters).
bool SetSubject(X509* certificate, const std::string& common_name) {
  return X509_NAME_add_entry_by_NID(X509_get_subject_name(certificate), NID_commonName,
                                    MBSTRING_UTF8,
                                    reinterpret_cast<const unsigned char*>(common_name.data()),
                                    static_cast<int>(common_name.size()), -1, 0) == 1;
}

// `value` is always a constant of this file: it is a small language, never fed with input.
bool AddExtension(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool IsPlainAscii(const std::string& text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

bool AddTextName(GENERAL_NAMES* names, int type, const std::string& text) {
  if (!IsPlainAscii(text)) return false;
  NamePtr name(GENERAL_NAME_new());
  ASN1_IA5STRING* const value = ASN1_IA5STRING_new();
  if (!name || !value) {
    ASN1_IA5STRING_free(value);
    return false;
  }
  GENERAL_NAME_set0_value(name.get(), type, value);  // owned by the name from here on
  return ASN1_STRING_set(value, text.data(), static_cast<int>(text.size())) == 1 &&
         sk_GENERAL_NAME_push(names, name.get()) > 0 && name.release() != nullptr;
}

bool AddAddress(GENERAL_NAMES* names, const std::string& text) {
  NamePtr name(GENERAL_NAME_new());
  ASN1_OCTET_STRING* const value = a2i_IPADDRESS(text.c_str());
  if (!name || !value) {
    ASN1_OCTET_STRING_free(value);
    return false;
  }
  GENERAL_NAME_set0_value(name.get(), GEN_IPADD, value);
  return sk_GENERAL_NAME_push(names, name.get()) > 0 && name.release() != nullptr;
}

Status AddSubjectNames(X509* certificate, const CertificateRequest& request) {
  const NamesPtr names(GENERAL_NAMES_new());
  if (!names) return Failed("out of memory");
  for (const std::string& dns : request.dns_names) {
    if (!AddTextName(names.get(), GEN_DNS, dns)) {
      return Status(Code::kInvalidArgument, "not a DNS name");
    }
  }
  for (const std::string& uri : request.uris) {
    if (!AddTextName(names.get(), GEN_URI, uri)) return Status(Code::kInvalidArgument, "not a URI");
  }
  for (const std::string& address : request.ip_addresses) {
    if (!AddAddress(names.get(), address)) {
      return Status(Code::kInvalidArgument, "not an IP address: " + address);
    }
  }
  if (sk_GENERAL_NAME_num(names.get()) == 0) return Status::Ok();
  if (X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), 0, X509V3_ADD_DEFAULT) !=
      1) {
    return Failed("adding subject alternative names");
  }
  return Status::Ok();
}

bool Sign(X509* certificate, EVP_PKEY* key) {
  return X509_sign(certificate, key, EVP_sha256()) > 0;
}

// The parts that an authority's and a leaf's certificate share; nullptr on failure.
CertPtr NewCertificate(const std::string& common_name, X509* issuer, EVP_PKEY* key, base::Time from,
                       base::Time until) {
  CertPtr certificate(X509_new());
  if (!certificate || X509_set_version(certificate.get(), kX509Version3) != 1 ||
      !SetRandomSerial(certificate.get()) || !SetTimes(certificate.get(), from, until) ||
      !SetSubject(certificate.get(), common_name) || X509_set_pubkey(certificate.get(), key) != 1) {
    return nullptr;
  }
  X509* const signer = issuer == nullptr ? certificate.get() : issuer;
  if (X509_set_issuer_name(certificate.get(), X509_get_subject_name(signer)) != 1) return nullptr;
  return certificate;
}

Result<base::Time> NotAfter(const X509* certificate) {
  std::tm utc{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &utc) != 1) {
    ERR_clear_error();
    return Status(Code::kInvalidArgument, "certificate without an end");
  }
  if (utc.tm_year > kLastTmYear) return base::Time::max();
  return std::chrono::system_clock::from_time_t(::timegm(&utc));
}

const char* ExtendedUsage(const CertificateRequest& request) {
  if (request.server && request.client) return "serverAuth,clientAuth";
  if (request.server) return "serverAuth";
  if (request.client) return "clientAuth";
  return nullptr;
}

}  // namespace

std::string SandboxUri(const std::string& sandbox_uid) {
  return "spiffe://sandgate.dev/sandbox/" + sandbox_uid;
}

Result<CertificateAuthority> CertificateAuthority::Create(const std::string& common_name,
                                                          std::chrono::seconds lifetime,
                                                          base::Time now) {
  const KeyPtr key = NewKey();
  if (!key) return Failed("making a key");
  const CertPtr certificate =
      NewCertificate(common_name, nullptr, key.get(), now - kClockSkew, now + lifetime);
  if (!certificate) return Status(Code::kInvalidArgument, "not a usable common name or lifetime");
  X509* const self = certificate.get();
  if (!AddExtension(self, self, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
      !AddExtension(self, self, NID_key_usage, "critical,keyCertSign,cRLSign") ||
      !AddExtension(self, self, NID_subject_key_identifier, "hash") || !Sign(self, key.get())) {
    return Failed("making the authority's certificate");
  }
  Result<TlsIdentity> pem = ToPem(self, key.get());
  if (!pem.ok()) return pem.status();
  return CertificateAuthority(std::move(pem).value());
}

Result<CertificateAuthority> CertificateAuthority::Load(TlsIdentity identity) {
  const KeyPtr key = ParseKey(identity.key_pem);
  const std::vector<CertPtr> certificates = ParseCertificates(identity.certificate_pem);
  if (!key || certificates.empty()) {
    return Status(Code::kInvalidArgument, "no usable key or certificate in PEM");
  }
  if (X509_check_ca(certificates[0].get()) != 1) {
    return Status(Code::kInvalidArgument, "the certificate is no authority's");
  }
  if (X509_check_private_key(certificates[0].get(), key.get()) != 1) {
    ERR_clear_error();
    return Status(Code::kInvalidArgument, "private key and certificate do not fit");
  }
  return CertificateAuthority(std::move(identity));
}

Result<TlsIdentity> CertificateAuthority::Issue(const CertificateRequest& request,
                                                base::Time now) const {
  const KeyPtr ca_key = ParseKey(identity_.key_pem);
  const std::vector<CertPtr> ca = ParseCertificates(identity_.certificate_pem);
  const KeyPtr key = NewKey();
  if (!ca_key || ca.empty() || !key) return Failed("reading the authority or making a key");
  const Result<base::Time> ca_end = NotAfter(ca[0].get());
  if (!ca_end.ok()) return ca_end.status();
  const base::Time until = std::min(now + request.lifetime, *ca_end);  // no leaf outlives its CA
  if (until <= now) return Status(Code::kInvalidArgument, "the certificate would be expired");

  const CertPtr certificate =
      NewCertificate(request.common_name, ca[0].get(), key.get(), now - kClockSkew, until);
  if (!certificate) return Status(Code::kInvalidArgument, "not a usable common name or lifetime");
  X509* const leaf = certificate.get();
  const char* const usage = ExtendedUsage(request);
  if (!AddExtension(leaf, ca[0].get(), NID_basic_constraints, "critical,CA:FALSE") ||
      !AddExtension(leaf, ca[0].get(), NID_key_usage, "critical,digitalSignature") ||
      !AddExtension(leaf, ca[0].get(), NID_subject_key_identifier, "hash") ||
      !AddExtension(leaf, ca[0].get(), NID_authority_key_identifier, "keyid:always") ||
      (usage != nullptr && !AddExtension(leaf, ca[0].get(), NID_ext_key_usage, usage))) {
    return Failed("adding extensions");
  }
  const Status names = AddSubjectNames(leaf, request);
  if (!names.ok()) return names;
  if (!Sign(leaf, ca_key.get())) return Failed("signing");
  return ToPem(leaf, key.get());
}

bool CertificateAuthority::Issued(const TlsIdentity& identity) const {
  const std::vector<CertPtr> ca = ParseCertificates(identity_.certificate_pem);
  const std::vector<CertPtr> leaf = ParseCertificates(identity.certificate_pem);
  const KeyPtr key = ParseKey(identity.key_pem);
  const bool issued = !ca.empty() && !leaf.empty() && key &&
                      X509_check_private_key(leaf[0].get(), key.get()) == 1 &&
                      X509_verify(leaf[0].get(), X509_get0_pubkey(ca[0].get())) == 1;
  ERR_clear_error();
  return issued;
}

Result<std::string> OnlyCertificates(const std::string& pem) {
  const std::vector<CertPtr> certificates = ParseCertificates(pem);
  if (certificates.empty()) {
    return Status(Code::kInvalidArgument, "no certificate in PEM, or one that cannot be read");
  }
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (!bio) return Failed("writing PEM");
  for (const CertPtr& certificate : certificates) {
    if (PEM_write_bio_X509(bio.get(), certificate.get()) != 1) return Failed("writing PEM");
  }
  return TakeText(bio.get());
}

Result<base::Time> CertificateExpiry(const std::string& pem) {
  const std::vector<CertPtr> certificates = ParseCertificates(pem);
  if (certificates.empty()) return Status(Code::kInvalidArgument, "no certificate in PEM");
  return NotAfter(certificates[0].get());
}

}  // namespace sandgate::http
