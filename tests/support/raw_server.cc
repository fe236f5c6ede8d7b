#include "tests/support/raw_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace sandgate::testing {
namespace {

// A test without its server is no test.
void Must(bool good, const char* what) {
  if (good) return;
  std::perror(what);
  std::abort();
}

size_t ContentLength(const std::string& head) {
  const size_t at = head.find("Content-Length:");
  return at == std::string::npos ? 0 : std::strtoul(head.c_str() + at + 15, nullptr, 10);
}

int AcceptAnyCertificate(int /*ok*/, X509_STORE_CTX* /*store*/) {
  return 1;
}

SSL_CTX* ServerContext(const RawTls& tls) {
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  SSL_CTX_set_security_level(context, 0);  // old versions too
  if (tls.max_version != 0) {
    SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(context, tls.max_version);
  }
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, AcceptAnyCertificate);
  BIO* certificate_bio = BIO_new_mem_buf(tls.certificate_pem.data(), -1);
  BIO* key_bio = BIO_new_mem_buf(tls.key_pem.data(), -1);
  X509* certificate = PEM_read_bio_X509(certificate_bio, nullptr, nullptr, nullptr);
  EVP_PKEY* key = PEM_read_bio_PrivateKey(key_bio, nullptr, nullptr, nullptr);
  Must(SSL_CTX_use_certificate(context, certificate) == 1, "certificate");
  Must(SSL_CTX_use_PrivateKey(context, key) == 1, "key");
  X509_free(certificate);
  EVP_PKEY_free(key);
  BIO_free(certificate_bio);
  BIO_free(key_bio);
  return context;
}

}  // namespace

std::ptrdiff_t RawPeer::Read(char* buffer, size_t size) {
  if (ssl_ != nullptr) return SSL_read(ssl_, buffer, static_cast<int>(size));
  return ::recv(fd_, buffer, size, 0);
}

std::string RawPeer::ReadRequest() {
  std::string text;
  char buffer[4096];
  while (true) {
    const size_t head = text.find("\r\n\r\n");
    if (head != std::string::npos && text.size() >= head + 4 + ContentLength(text)) return text;
    const std::ptrdiff_t got = Read(buffer, sizeof buffer);
    if (got <= 0) return "";
    text.append(buffer, static_cast<size_t>(got));
  }
}

bool RawPeer::Write(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::ptrdiff_t sent = ssl_ != nullptr
                                    ? SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size()))
                                    : ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

void RawPeer::WaitForClose() {
  char buffer[4096];
  while (Read(buffer, sizeof buffer) > 0) continue;
}

bool RawPeer::HasClientCertificate() const {
  return ssl_ != nullptr && SSL_get0_peer_certificate(ssl_) != nullptr;
}

bool RawPeer::CanWrite(int patience_ms) const {
  pollfd poll_fd{fd_, POLLOUT, 0};
  return ::poll(&poll_fd, 1, patience_ms) == 1 && (poll_fd.revents & POLLOUT) != 0;
}

RawServer::RawServer(std::function<void(RawPeer&)> serve, const RawTls* tls)
    : serve_(std::move(serve)) {
  ::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes without MSG_NOSIGNAL
  if (tls != nullptr) context_.reset(ServerContext(*tls));
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  Must(listener_ >= 0, "socket");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  Must(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0, "bind");
  Must(::listen(listener_, 64) == 0, "listen");
  Must(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0, "getsockname");
  port_ = ntohs(address.sin_port);
  acceptor_ = std::jthread([this] { Accept(); });
}

RawServer::~RawServer() {
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  std::vector<std::jthread> handlers;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    down_ = true;
    for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
    handlers = std::move(handlers_);
  }
  handlers.clear();  // joins
  ::close(listener_);
}

std::string RawServer::url() const {
  return (context_ ? "https://127.0.0.1:" : "http://127.0.0.1:") + std::to_string(port_);
}

void RawServer::Accept() {
  while (true) {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    ++connections_;
    const std::lock_guard<std::mutex> lock(mutex_);
    open_.push_back(fd);
    handlers_.emplace_back([this, fd] { ServeOne(fd); });
  }
}

void RawServer::ServeOne(int fd) {
  SSL* ssl = nullptr;
  bool ready = true;
  if (context_) {
    ssl = SSL_new(context_.get());
    SSL_set_fd(ssl, fd);
    ready = SSL_accept(ssl) == 1;
  }
  if (ready) {
    RawPeer peer(fd, ssl);
    serve_(peer);
    if (ssl != nullptr) SSL_shutdown(ssl);
  }
  SSL_free(ssl);
  const std::lock_guard<std::mutex> lock(mutex_);
  open_.erase(std::find(open_.begin(), open_.end(), fd));
  ::close(fd);
}

std::string HttpAnswer(int status, const std::string& body, const std::string& headers) {
  return "HTTP/1.1 " + std::to_string(status) +
         " X\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + headers + "\r\n" + body;
}

std::string ChunkedHead(int status) {
  return "HTTP/1.1 " + std::to_string(status) + " X\r\nTransfer-Encoding: chunked\r\n\r\n";
}

std::string Chunk(const std::string& bytes) {
  char size[20];
  std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
  return size + bytes + "\r\n";
}

}  // namespace sandgate::testing
