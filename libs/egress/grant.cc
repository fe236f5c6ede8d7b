#include "libs/egress/grant.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <array>

#include "libs/base/ids.h"
#include "libs/egress/base64url.h"
#include "libs/egress/grant_json.h"

namespace sandgate::egress {
namespace {

using base::Code;
using base::Result;
using base::Status;

constexpr std::string_view kPrefix = "sgeg1.";
constexpr size_t kKeyIdDigits = 16;
constexpr size_t kPublicKeyBytes = 32;
constexpr size_t kSignatureBytes = 64;

struct Free {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  void operator()(BIO* bio) const { BIO_free_all(bio); }
};
using Key = std::unique_ptr<EVP_PKEY, Free>;
using Digest = std::unique_ptr<EVP_MD_CTX, Free>;
using Bio = std::unique_ptr<BIO, Free>;

Status Bad(const char* what) {
  ERR_clear_error();
  return Status(Code::kInvalidArgument, what);
}

Bio Reader(const std::string& pem) {
  return Bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

Key OnlyEd25519(Key key) {
  ERR_clear_error();
  if (key && EVP_PKEY_get_id(key.get()) != EVP_PKEY_ED25519) key.reset();
  return key;
}

Key ReadPrivate(const std::string& pem) {
  const auto no_password = [](char*, int, int, void*) { return 0; };
  const Bio bio = Reader(pem);
  return OnlyEd25519(Key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr)));
}

Key ReadPublic(const std::string& pem) {
  const Bio bio = Reader(pem);
  return OnlyEd25519(Key(PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr)));
}

std::string IdOf(EVP_PKEY* key) {
  std::array<unsigned char, kPublicKeyBytes> raw;
  size_t size = raw.size();
  if (EVP_PKEY_get_raw_public_key(key, raw.data(), &size) != 1 || size != raw.size()) return "";
  const std::string_view bytes(reinterpret_cast<const char*>(raw.data()), size);
  return base::Sha256Hex(bytes).substr(0, kKeyIdDigits);
}

const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string TakeText(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<size_t>(size));
}

bool SignatureHolds(EVP_PKEY* key, std::string_view text, std::string_view signature) {
  const Digest digest(EVP_MD_CTX_new());
  const bool holds = digest &&
                     EVP_DigestVerifyInit(digest.get(), nullptr, nullptr, nullptr, key) == 1 &&
                     EVP_DigestVerify(digest.get(), Bytes(signature), signature.size(), Bytes(text),
                                      text.size()) == 1;
  ERR_clear_error();
  return holds;
}

// The parts of a token by its dots; `payload` and `signature` still encoded.
struct Parts {
  std::string_view signed_text;
  std::string_view key_id;
  std::string_view payload;
  std::string_view signature;
};

std::optional<Parts> Split(std::string_view token) {
  if (token.size() > kMaxGrantBytes || !token.starts_with(kPrefix)) return std::nullopt;
  const size_t first = token.find('.', kPrefix.size());
  if (first == std::string_view::npos) return std::nullopt;
  const size_t second = token.find('.', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  return Parts{token.substr(0, second), token.substr(kPrefix.size(), first - kPrefix.size()),
               token.substr(first + 1, second - first - 1), token.substr(second + 1)};
}

}  // namespace

Result<GrantKey> CreateGrantKey() {
  const Key key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  const Bio secret(BIO_new(BIO_s_secmem()));
  const Bio open(BIO_new(BIO_s_mem()));
  if (!key || !secret || !open ||
      PEM_write_bio_PKCS8PrivateKey(secret.get(), key.get(), nullptr, nullptr, 0, nullptr,
                                    nullptr) != 1 ||
      PEM_write_bio_PUBKEY(open.get(), key.get()) != 1) {
    ERR_clear_error();
    return Status(Code::kInternal, "making a grant key");
  }
  return GrantKey{TakeText(secret.get()), TakeText(open.get())};
}

Result<std::string> GrantKeyId(const std::string& pem) {
  Key key = ReadPublic(pem);
  if (!key) key = ReadPrivate(pem);
  if (!key) return Bad("no Ed25519 key in PEM");
  return IdOf(key.get());
}

Result<std::string> PublicGrantKey(const std::string& private_pem) {
  const Key key = ReadPrivate(private_pem);
  if (!key) return Bad("no Ed25519 private key in PEM");
  const Bio open(BIO_new(BIO_s_mem()));
  if (!open || PEM_write_bio_PUBKEY(open.get(), key.get()) != 1) {
    ERR_clear_error();
    return Status(Code::kInternal, "writing a grant key");
  }
  return TakeText(open.get());
}

Result<std::string> SignGrant(const Grant& grant, const std::string& private_pem) {
  const Status sound = CheckGrant(grant);
  if (!sound.ok()) return sound;
  const Key key = ReadPrivate(private_pem);
  if (!key) return Bad("no Ed25519 private key in PEM");
  const std::string text =
      std::string(kPrefix) + IdOf(key.get()) + "." + Base64UrlEncode(GrantToJson(grant));
  std::string signature(kSignatureBytes, '\0');
  size_t size = signature.size();
  const Digest digest(EVP_MD_CTX_new());
  if (!digest || EVP_DigestSignInit(digest.get(), nullptr, nullptr, nullptr, key.get()) != 1 ||
      EVP_DigestSign(digest.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                     Bytes(text), text.size()) != 1 ||
      size != kSignatureBytes) {
    ERR_clear_error();
    return Status(Code::kInternal, "signing a grant");
  }
  std::string token = text + "." + Base64UrlEncode(signature);
  if (token.size() > kMaxGrantBytes) return Bad("grant: more than 8 KiB; name fewer domains");
  return token;
}

class GrantVerifier::Keys {
 public:
  std::map<std::string, Key, std::less<>> by_id;
};

GrantVerifier::GrantVerifier() : keys_(std::make_shared<const Keys>()) {}

size_t GrantVerifier::size() const {
  return keys_->by_id.size();
}

Result<GrantVerifier> GrantVerifier::Create(const std::vector<std::string>& public_pems) {
  if (public_pems.size() > kMaxGrantKeys) return Bad("more than 8 grant keys");
  auto keys = std::make_shared<Keys>();
  for (const std::string& pem : public_pems) {
    Key key = ReadPublic(pem);
    if (!key) return Bad("no Ed25519 public key in PEM");
    std::string id = IdOf(key.get());
    keys->by_id.emplace(std::move(id), std::move(key));
  }
  GrantVerifier verifier;
  verifier.keys_ = std::move(keys);
  return verifier;
}

std::variant<Grant, Reason> GrantVerifier::Verify(std::string_view token, base::Time now) const {
  const std::optional<Parts> parts = Split(token);
  if (!parts) return Reason::kGrantMalformed;
  const std::optional<std::string> signature = Base64UrlDecode(parts->signature);
  if (!signature || signature->size() != kSignatureBytes) return Reason::kGrantMalformed;
  const auto key = keys_->by_id.find(parts->key_id);
  if (key == keys_->by_id.end()) return Reason::kGrantForged;
  if (!SignatureHolds(key->second.get(), parts->signed_text, *signature)) {
    return Reason::kGrantForged;
  }
  const std::optional<std::string> payload = Base64UrlDecode(parts->payload);
  std::optional<Grant> grant = payload ? GrantFromJson(*payload) : std::nullopt;
  if (!grant) return Reason::kGrantMalformed;
  if (grant->audience != kGrantAudience) return Reason::kGrantAudience;
  if (now + kGrantClockSkew < grant->not_before) return Reason::kGrantNotYet;
  if (now >= grant->expires + kGrantClockSkew) return Reason::kGrantExpired;
  return *std::move(grant);
}

}  // namespace sandgate::egress
