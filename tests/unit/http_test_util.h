// What the tests of libs/http share: an authority, a raw client (bytes on a socket, with or without
// TLS) and a way to wait for something without a clock.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include "libs/http/server.h"
#include "libs/http/tls.h"

namespace sandgate::http {

using std::chrono::milliseconds;

// Nothing here takes that long unless it hangs; then the test fails instead of the whole suite.
inline constexpr milliseconds kPatience{60'000};

// Room for the tests that hold a thousand sockets: many machines give a program 1024 at first.
inline void AllowManySockets() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

// Values from other threads, in order.
template <typename T>
class Inbox {
 public:
  void Put(T value) {
    const std::lock_guard<std::mutex> lock(mutex_);
    values_.push_back(std::move(value));
    changed_.notify_all();
  }
  // Waits; throws (and so fails the test) when nothing comes.
  T Get() {
    std::unique_lock<std::mutex> lock(mutex_);
    if (!changed_.wait_for(lock, kPatience, [&] { return !values_.empty(); })) {
      throw std::runtime_error("nothing came");
    }
    T value = std::move(values_.front());
    values_.pop_front();
    return value;
  }
  size_t size() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return values_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<T> values_;
};

inline CertificateAuthority NewAuthority(const std::string& name = "test authority") {
  return std::move(
             CertificateAuthority::Create(name, std::chrono::hours(1), base::RealClock().Now()))
      .value();
}

inline TlsIdentity Identity(const CertificateAuthority& authority, const std::string& uri,
                            bool server, bool client, base::Time now = base::RealClock().Now(),
                            std::chrono::seconds lifetime = std::chrono::hours(1)) {
  CertificateRequest request;
  request.common_name = "test";
  request.uris = {uri};
  request.server = server;
  request.client = client;
  request.lifetime = lifetime;
  return std::move(authority.Issue(request, now)).value();
}

// OpenSSL's own sockets raise SIGPIPE. Held back for this thread's writes alone, so that a SIGPIPE
// of the library under test would still end the test.
class NoSigpipe {
 public:
  NoSigpipe() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~NoSigpipe() {
    const timespec now{};
    sigtimedwait(&pipe_, nullptr, &now);
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  NoSigpipe(const NoSigpipe&) = delete;
  NoSigpipe& operator=(const NoSigpipe&) = delete;

 private:
  sigset_t pipe_;
  sigset_t before_;
};

// A client that speaks bytes: nothing keeps it from being hostile.
class RawClient {
 public:
  explicit RawClient(uint16_t port) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval patience{60, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~RawClient() { Close(); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  bool connected() const { return connected_; }
  int fd() const { return fd_; }

  // TLS with an own certificate, or none. False when the handshake fails.
  bool StartTls(const std::string& ca_pem, const TlsIdentity& identity,
                int max_version = TLS1_3_VERSION, const std::string& alpn = "\x08http/1.1") {
    context_.reset(SSL_CTX_new(TLS_client_method()));
    SSL_CTX_set_max_proto_version(context_.get(), max_version);
    SSL_CTX_set_min_proto_version(context_.get(), TLS1_VERSION);
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
    const auto bio = [](const std::string& text) {
      return BIO_new_mem_buf(text.data(), static_cast<int>(text.size()));
    };
    BIO* const ca_bio = bio(ca_pem);
    if (X509* const ca = PEM_read_bio_X509(ca_bio, nullptr, nullptr, nullptr)) {
      X509_STORE_add_cert(SSL_CTX_get_cert_store(context_.get()), ca);
      X509_free(ca);
    }
    BIO_free(ca_bio);
    if (!identity.empty()) {
      BIO* const cert_bio = bio(identity.certificate_pem);
      BIO* const key_bio = bio(identity.key_pem);
      X509* const cert = PEM_read_bio_X509(cert_bio, nullptr, nullptr, nullptr);
      EVP_PKEY* const key = PEM_read_bio_PrivateKey(key_bio, nullptr, nullptr, nullptr);
      SSL_CTX_use_certificate(context_.get(), cert);
      SSL_CTX_use_PrivateKey(context_.get(), key);
      X509_free(cert);
      EVP_PKEY_free(key);
      BIO_free(cert_bio);
      BIO_free(key_bio);
    }
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_alpn_protos(ssl_.get(), reinterpret_cast<const unsigned char*>(alpn.data()),
                        static_cast<unsigned int>(alpn.size()));
    SSL_set_fd(ssl_.get(), fd_);
    const NoSigpipe quiet;
    const bool ok = SSL_connect(ssl_.get()) == 1;
    ERR_clear_error();
    return ok;
  }

  std::string alpn() const {
    const unsigned char* data = nullptr;
    unsigned int size = 0;
    SSL_get0_alpn_selected(ssl_.get(), &data, &size);
    return std::string(reinterpret_cast<const char*>(data), size);
  }

  // False when the server has gone.
  bool Send(std::string_view bytes) {
    const NoSigpipe quiet;
    while (!bytes.empty()) {
      const ssize_t sent = ssl_
                               ? SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()))
                               : ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      ERR_clear_error();
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }

  // Some bytes; "" at the end, whichever way it came.
  std::string Receive() {
    char buffer[16 * 1024];
    const ssize_t got =
        ssl_ ? SSL_read(ssl_.get(), buffer, sizeof buffer) : ::recv(fd_, buffer, sizeof buffer, 0);
    ERR_clear_error();
    return got <= 0 ? std::string() : std::string(buffer, static_cast<size_t>(got));
  }

  // Until `end` has come, or the server closed.
  std::string ReceiveUntil(std::string_view end) {
    while (received_.find(end) == std::string::npos) {
      const std::string more = Receive();
      if (more.empty()) break;
      received_ += more;
    }
    const size_t at = received_.find(end);
    const size_t size = at == std::string::npos ? received_.size() : at + end.size();
    std::string out = received_.substr(0, size);
    received_.erase(0, size);
    return out;
  }

  std::string ReceiveAll() { return ReceiveUntil(std::string_view("\0never\0", 7)); }

  void Close() {
    ssl_.reset();
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  struct Free {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  int fd_ = -1;
  bool connected_ = false;
  std::string received_;
  std::unique_ptr<SSL_CTX, Free> context_;
  std::unique_ptr<SSL, Free> ssl_;
};

}  // namespace sandgate::http
