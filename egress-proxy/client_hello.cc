#include "egress-proxy/client_hello.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <memory>

namespace sandgate::egress {
namespace {

// Encrypted ClientHello (its outer form; GREASE looks the same on purpose), and the ESNI before it.
constexpr unsigned kEncryptedClientHello = 0xfe0d;
constexpr unsigned kEncryptedServerName = 0xffce;
constexpr uint8_t kHostName = 0;  // RFC 6066 section 3

struct Free {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL* tls) const { SSL_free(tls); }
};

struct Found {
  bool called = false;
  std::variant<std::string, Reason> result = Reason::kHelloMalformed;
};

struct Extension {
  const unsigned char* data = nullptr;
  size_t size = 0;
};

std::optional<Extension> Get(SSL* tls, unsigned type) {
  Extension extension;
  if (SSL_client_hello_get0_ext(tls, type, &extension.data, &extension.size) != 1) {
    return std::nullopt;
  }
  return extension;
}

size_t Read16(const unsigned char* at) {
  return static_cast<size_t>(at[0]) << 8 | at[1];
}

// ServerNameList { HostName } and not a byte more: a second entry is one more name for somebody.
std::variant<std::string, Reason> SingleName(const Extension& extension) {
  constexpr size_t kListHeader = 2;
  constexpr size_t kEntryHeader = 3;
  if (extension.size < kListHeader + kEntryHeader) return Reason::kHelloMalformed;
  if (Read16(extension.data) != extension.size - kListHeader) return Reason::kHelloMalformed;
  const unsigned char* const entry = extension.data + kListHeader;
  const size_t room = extension.size - kListHeader - kEntryHeader;
  const size_t size = Read16(entry + 1);
  if (entry[0] != kHostName || size == 0 || size > room) return Reason::kHelloMalformed;
  if (size < room) return Reason::kSniAmbiguous;
  std::string name(reinterpret_cast<const char*>(entry + kEntryHeader), size);
  std::transform(name.begin(), name.end(), name.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return name;
}

std::variant<std::string, Reason> Judge(SSL* tls) {
  if (SSL_client_hello_isv2(tls) != 0) return Reason::kNotTls;
  if (Get(tls, kEncryptedClientHello) || Get(tls, kEncryptedServerName)) {
    return Reason::kEncryptedHello;
  }
  if (Get(tls, TLSEXT_TYPE_early_data)) return Reason::kEarlyData;
  const std::optional<Extension> names = Get(tls, TLSEXT_TYPE_server_name);
  if (!names) return Reason::kSniMissing;
  return SingleName(*names);
}

int OnClientHello(SSL* tls, int*, void*) {
  auto* const found = static_cast<Found*>(SSL_get_app_data(tls));
  found->called = true;
  found->result = Judge(tls);
  return SSL_CLIENT_HELLO_ERROR;  // all is known: no handshake follows
}

// OpenSSL remembers only extensions that somebody has registered.
bool Register(SSL_CTX* context, unsigned type) {
  const auto ignore = [](SSL*, unsigned, unsigned, const unsigned char*, size_t, X509*, size_t,
                         int*, void*) { return 1; };
  return SSL_CTX_add_custom_ext(context, type, SSL_EXT_CLIENT_HELLO, nullptr, nullptr, nullptr,
                                ignore, nullptr) == 1;
}

// nullptr when OpenSSL has no memory; every ClientHello is then malformed.
SSL_CTX* ReaderContext() {
  static const std::unique_ptr<SSL_CTX, Free> context = [] {
    std::unique_ptr<SSL_CTX, Free> made(SSL_CTX_new(TLS_server_method()));
    if (made && (!Register(made.get(), kEncryptedClientHello) ||
                 !Register(made.get(), kEncryptedServerName))) {
      made.reset();
    }
    if (made) {
      SSL_CTX_set_client_hello_cb(made.get(), OnClientHello, nullptr);
      SSL_CTX_set_session_cache_mode(made.get(), SSL_SESS_CACHE_OFF);
      SSL_CTX_set_min_proto_version(made.get(), TLS1_VERSION);  // which one is the server's affair
    }
    return made;
  }();
  return context.get();
}

}  // namespace

std::variant<std::string, Reason> ReadClientHello(std::string_view records) {
  if (ReaderContext() == nullptr) return Reason::kHelloMalformed;
  const std::unique_ptr<SSL, Free> tls(SSL_new(ReaderContext()));
  BIO* const in = BIO_new_mem_buf(records.data(), static_cast<int>(records.size()));
  BIO* const out = BIO_new(BIO_s_null());
  if (!tls || in == nullptr || out == nullptr) {
    BIO_free(in);
    BIO_free(out);
    return Reason::kHelloMalformed;
  }
  SSL_set_bio(tls.get(), in, out);
  Found found;
  SSL_set_app_data(tls.get(), &found);
  SSL_accept(tls.get());
  ERR_clear_error();
  return found.called ? found.result : Reason::kHelloMalformed;
}

}  // namespace sandgate::egress
