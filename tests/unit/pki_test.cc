#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "tests/unit/http_test_util.h"

namespace sandgate::http {
namespace {

using base::Code;
using std::chrono::hours;
using std::chrono::seconds;

struct X509Free {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
using Cert = std::unique_ptr<X509, X509Free>;

Cert Parse(const std::string& pem) {
  BIO* const bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  Cert certificate(PEM_read_bio_X509(bio, nullptr, nullptr, nullptr));
  BIO_free(bio);
  return certificate;
}

// The verdict of OpenSSL's own chain check at a time and for a purpose.
int Verify(const std::string& leaf, const std::string& ca, int purpose, base::Time when) {
  X509_STORE* const store = X509_STORE_new();
  const Cert ca_cert = Parse(ca);
  const Cert leaf_cert = Parse(leaf);
  X509_STORE_add_cert(store, ca_cert.get());
  X509_STORE_CTX* const context = X509_STORE_CTX_new();
  X509_STORE_CTX_init(context, store, leaf_cert.get(), nullptr);
  X509_STORE_CTX_set_purpose(context, purpose);
  X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(context), X509_V_FLAG_X509_STRICT);
  X509_STORE_CTX_set_time(context, 0, std::chrono::system_clock::to_time_t(when));
  const int verdict =
      X509_verify_cert(context) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(context);
  X509_STORE_CTX_free(context);
  X509_STORE_free(store);
  return verdict;
}

class PkiTest : public testing::Test {
 protected:
  const base::Time now_ = base::Time(seconds(1'800'000'000));
  const CertificateAuthority authority_ =
      *CertificateAuthority::Create("test authority", hours(48), now_);
};

TEST_F(PkiTest, LeavesVerifyForTheirPurposeAndTheirTime) {
  const std::string ca = authority_.certificate_pem();
  const std::string server =
      Identity(authority_, "spiffe://x/y", true, false, now_, hours(1)).certificate_pem;
  EXPECT_EQ(Verify(server, ca, X509_PURPOSE_SSL_SERVER, now_), X509_V_OK);
  EXPECT_EQ(Verify(server, ca, X509_PURPOSE_SSL_SERVER, now_ - std::chrono::minutes(4)), X509_V_OK)
      << "clocks may be 5 minutes apart";
  EXPECT_EQ(Verify(server, ca, X509_PURPOSE_SSL_SERVER, now_ - std::chrono::minutes(6)),
            X509_V_ERR_CERT_NOT_YET_VALID);
  EXPECT_EQ(Verify(server, ca, X509_PURPOSE_SSL_SERVER, now_ + hours(1) + seconds(1)),
            X509_V_ERR_CERT_HAS_EXPIRED);
  EXPECT_EQ(Verify(server, ca, X509_PURPOSE_SSL_CLIENT, now_), X509_V_ERR_INVALID_PURPOSE);
  const std::string client =
      Identity(authority_, "spiffe://x/y", false, true, now_, hours(1)).certificate_pem;
  EXPECT_EQ(Verify(client, ca, X509_PURPOSE_SSL_CLIENT, now_), X509_V_OK);
  EXPECT_EQ(Verify(client, ca, X509_PURPOSE_SSL_SERVER, now_), X509_V_ERR_INVALID_PURPOSE);
}

TEST_F(PkiTest, AnotherAuthoritysLeafIsRefused) {
  const CertificateAuthority other =
      *CertificateAuthority::Create("test authority", hours(48), now_);
  const std::string leaf =
      Identity(other, "spiffe://x/y", true, true, now_, hours(1)).certificate_pem;
  EXPECT_NE(Verify(leaf, authority_.certificate_pem(), X509_PURPOSE_SSL_SERVER, now_), X509_V_OK);
}

TEST_F(PkiTest, NoLeafOutlivesItsAuthority) {
  const TlsIdentity leaf = Identity(authority_, "spiffe://x/y", true, true, now_, hours(1000));
  EXPECT_EQ(*CertificateExpiry(leaf.certificate_pem), now_ + hours(48));
  const TlsIdentity brief = Identity(authority_, "spiffe://x/y", true, true, now_, hours(2));
  EXPECT_EQ(*CertificateExpiry(brief.certificate_pem), now_ + hours(2));
  CertificateRequest late;
  late.common_name = "x";
  EXPECT_EQ(authority_.Issue(late, now_ + hours(49)).status().code(), Code::kInvalidArgument);
}

TEST_F(PkiTest, AnEndBeyondOurClockIsNotAPastOne) {
  // RFC 5280 section 4.1.2.5: 99991231235959Z says "no well-defined end".
  const Cert certificate(X509_new());
  EVP_PKEY* const key = EVP_EC_gen("P-256");
  X509_set_pubkey(certificate.get(), key);
  ASN1_TIME_set_string(X509_getm_notBefore(certificate.get()), "20200101000000Z");
  ASN1_TIME_set_string(X509_getm_notAfter(certificate.get()), "99991231235959Z");
  X509_sign(certificate.get(), key, EVP_sha256());
  EVP_PKEY_free(key);
  BIO* const bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(bio, certificate.get());
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  const std::string forever(data, static_cast<size_t>(size));
  BIO_free(bio);
  EXPECT_EQ(*CertificateExpiry(forever), base::Time::max());
}

TEST_F(PkiTest, EveryCertificateHasItsOwnKeyAndSerial) {
  const TlsIdentity a = Identity(authority_, "spiffe://x/y", true, true, now_);
  const TlsIdentity b = Identity(authority_, "spiffe://x/y", true, true, now_);
  EXPECT_NE(a.key_pem, b.key_pem);
  EXPECT_NE(ASN1_INTEGER_cmp(X509_get0_serialNumber(Parse(a.certificate_pem).get()),
                             X509_get0_serialNumber(Parse(b.certificate_pem).get())),
            0);
}

TEST_F(PkiTest, AlternativeNames) {
  CertificateRequest request;
  request.common_name = "gateway";
  request.dns_names = {"sandgate-gateway.sandgate.svc", "localhost"};
  request.ip_addresses = {"127.0.0.1", "fd00::1"};
  request.uris = {kGatewayUri};
  request.server = true;
  const Cert leaf = Parse(authority_.Issue(request, now_)->certificate_pem);
  EXPECT_EQ(X509_check_host(leaf.get(), "localhost", 0, 0, nullptr), 1);
  EXPECT_EQ(X509_check_host(leaf.get(), "example.org", 0, 0, nullptr), 0);
  EXPECT_EQ(X509_check_ip_asc(leaf.get(), "127.0.0.1", 0), 1);
  EXPECT_EQ(X509_check_ip_asc(leaf.get(), "fd00::1", 0), 1);
  EXPECT_EQ(X509_check_ip_asc(leaf.get(), "127.0.0.2", 0), 0);
}

TEST_F(PkiTest, BadNamesAreRefused) {
  CertificateRequest bad[6];
  bad[0].common_name = std::string(65, 'x');
  bad[1].uris = {""};
  bad[2].uris = {std::string("spiffe://a\0b", 12)};
  bad[3].dns_names = {"a b"};
  bad[4].ip_addresses = {"localhost"};
  bad[5].uris = {"spiffe://\xc3\xa4"};
  for (CertificateRequest& request : bad) {
    if (request.common_name.empty()) request.common_name = "x";
    EXPECT_EQ(authority_.Issue(request, now_).status().code(), Code::kInvalidArgument);
  }
}

TEST_F(PkiTest, LoadTakesWhatIdentityGave) {
  const CertificateAuthority again = *CertificateAuthority::Load(authority_.identity());
  const TlsIdentity leaf = Identity(again, "spiffe://x/y", true, true, now_);
  EXPECT_EQ(
      Verify(leaf.certificate_pem, authority_.certificate_pem(), X509_PURPOSE_SSL_SERVER, now_),
      X509_V_OK);
}

TEST_F(PkiTest, LoadRefusesWhatDoesNotFit) {
  const CertificateAuthority other = *CertificateAuthority::Create("other", hours(1), now_);
  const TlsIdentity leaf = Identity(authority_, "spiffe://x/y", true, true, now_);
  const TlsIdentity bad[] = {
      {authority_.certificate_pem(), other.identity().key_pem},
      {authority_.certificate_pem(), ""},
      {"", authority_.identity().key_pem},
      {"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
       authority_.identity().key_pem},
      leaf,  // fits, but is no authority
  };
  for (const TlsIdentity& identity : bad) {
    EXPECT_EQ(CertificateAuthority::Load(identity).status().code(), Code::kInvalidArgument);
  }
}

TEST_F(PkiTest, AnEncryptedKeyAsksNobody) {
  // Would wait for a terminal if OpenSSL's own password question were left in place.
  BIO* const bio = BIO_new(BIO_s_mem());
  EVP_PKEY* const key = EVP_EC_gen("P-256");
  PEM_write_bio_PKCS8PrivateKey(bio, key, EVP_aes_256_cbc(), "secret", 6, nullptr, nullptr);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  const std::string pem(data, static_cast<size_t>(size));
  BIO_free(bio);
  EVP_PKEY_free(key);
  EXPECT_FALSE(CertificateAuthority::Load({authority_.certificate_pem(), pem}).ok());
}

TEST_F(PkiTest, ExpiryOfNothingIsAnError) {
  EXPECT_EQ(CertificateExpiry("").status().code(), Code::kInvalidArgument);
  EXPECT_EQ(CertificateExpiry("x").status().code(), Code::kInvalidArgument);
}

TEST(SandboxUriTest, CarriesTheUid) {
  EXPECT_EQ(SandboxUri("5f0c"), "spiffe://sandgate.dev/sandbox/5f0c");
}

}  // namespace
}  // namespace sandgate::http
