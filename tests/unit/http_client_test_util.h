// What the tests of the runner's client share: a server that follows a script, and a fixture.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "libs/http/client.h"
#include "tests/unit/http_test_util.h"

namespace sandgate::http {

using base::Result;

inline constexpr char kUid[] = "uid-1";

// A peer that a test leads step by step: accepts by hand, speaks TLS, sends what it likes.
class ScriptedServer {
 public:
  ScriptedServer(const CertificateAuthority& ca, const std::string& uri)
      : ScriptedServer(Identity(ca, uri, true, false)) {}
  explicit ScriptedServer(const TlsIdentity& identity)
      : context_(SSL_CTX_new(TLS_server_method())) {
    BIO* const cert_bio = BIO_new_mem_buf(identity.certificate_pem.data(), -1);
    BIO* const key_bio = BIO_new_mem_buf(identity.key_pem.data(), -1);
    X509* const cert = PEM_read_bio_X509(cert_bio, nullptr, nullptr, nullptr);
    EVP_PKEY* const key = PEM_read_bio_PrivateKey(key_bio, nullptr, nullptr, nullptr);
    SSL_CTX_use_certificate(context_, cert);
    SSL_CTX_use_PrivateKey(context_, key);
    X509_free(cert);
    EVP_PKEY_free(key);
    BIO_free(cert_bio);
    BIO_free(key_bio);
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener_, 16), 0);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
  }
  ~ScriptedServer() {
    HangUp();
    StopListening();
    SSL_CTX_free(context_);
  }
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  uint16_t port() const { return port_; }

  void AcceptTcp() {
    HangUp();
    fd_ = ::accept(listener_, nullptr, nullptr);
    const timeval patience{60, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }
  bool Accept() {
    AcceptTcp();
    ssl_ = SSL_new(context_);
    SSL_set_fd(ssl_, fd_);
    return SSL_accept(ssl_) == 1;
  }
  // Reads until the request's head has come; the tests' requests are one record.
  std::string ReadRequest() {
    std::string request;
    char buffer[4096];
    while (request.find("\r\n\r\n") == std::string::npos) {
      const int got = SSL_read(ssl_, buffer, sizeof buffer);
      if (got <= 0) break;
      request.append(buffer, static_cast<size_t>(got));
    }
    return request;
  }
  void Send(std::string_view bytes) {
    const NoSigpipe quiet;
    SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size()));
  }
  void Answer(std::string_view body) {
    Send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         std::string(body));
  }
  // With TLS's own goodbye, or (`abrupt`) without.
  void HangUp(bool abrupt = false) {
    if (ssl_ != nullptr) {
      const NoSigpipe quiet;
      if (!abrupt) SSL_shutdown(ssl_);
      SSL_free(ssl_);
      ERR_clear_error();
    }
    if (fd_ >= 0) ::close(fd_);
    ssl_ = nullptr;
    fd_ = -1;
  }
  // Until the client has closed its side.
  void WaitForClientEnd() {
    char buffer[256];
    while (SSL_read(ssl_, buffer, sizeof buffer) > 0) {
    }
  }
  void StopListening() {
    if (listener_ >= 0) ::close(listener_);
    listener_ = -1;
  }

 private:
  SSL_CTX* const context_;
  SSL* ssl_ = nullptr;
  int listener_ = -1;
  int fd_ = -1;
  uint16_t port_ = 0;
};

class HttpClientTest : public testing::Test {
 protected:
  ClientOptions Options() const {
    ClientOptions options;
    options.identity = Identity(ca_, kOperatorUri, false, true);
    options.ca_pem = ca_.certificate_pem();
    return options;
  }
  std::unique_ptr<Client> NewClient(ClientOptions options) const {
    return std::move(Client::Create(std::move(options))).value();
  }
  std::unique_ptr<Client> NewClient() const { return NewClient(Options()); }

  std::unique_ptr<Server> NewServer(Handler handler, const std::string& uri = SandboxUri(kUid)) {
    ServerOptions options;
    options.address = "127.0.0.1";
    options.server_tls.identity = Identity(ca_, uri, true, false);
    options.server_tls.client_ca_pem = ca_.certificate_pem();
    return std::move(Server::Start(options, std::move(handler))).value();
  }

  static CallOptions To(const std::string& uri = SandboxUri(kUid)) {
    CallOptions options;
    options.expected_uri = uri;
    options.deadline = kPatience;
    return options;
  }
  static Request Get(const std::string& target = "/") {
    Request request;
    request.method = "GET";
    request.target = target;
    return request;
  }
  static Request Post(const std::string& body) {
    Request request = Get("/runs/1");
    request.method = "POST";
    request.body = body;
    return request;
  }

  // Starts a call; its result comes into `results_`.
  void Start(Client& client, uint16_t port, Request request, CallOptions options) {
    client.Call({"127.0.0.1", port}, std::move(request), std::move(options),
                [this](Result<Response> result) { results_.Put(std::move(result)); });
  }
  Result<Response> Call(Client& client, uint16_t port, Request request,
                        CallOptions options = To()) {
    Start(client, port, std::move(request), std::move(options));
    return results_.Get();
  }

  static Handler EchoHandler() {
    return [](Request request, Responder responder) {
      Response response;
      response.status = request.target == "/teapot" ? 418 : 200;
      response.headers = {{"X-Method", request.method}, {"X-Peer", request.peer.uris.at(0)}};
      response.body = request.body;
      responder.Send(std::move(response));
    };
  }

  const CertificateAuthority ca_ = NewAuthority();
  Inbox<Result<Response>> results_;
};

}  // namespace sandgate::http
