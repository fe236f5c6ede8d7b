// A server on a loopback socket that does byte for byte what a test says, with or without TLS: for
// what no honest server would do.
#pragma once

#include <openssl/ssl.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace sandgate::testing {

// One connection, on a thread of its own. All calls return false (or "") once the connection is
// over, which it is when either side closes it or the server goes down.
class RawPeer {
 public:
  RawPeer(int fd, SSL* ssl) : fd_(fd), ssl_(ssl) {}

  // One request, head and body (by its Content-Length).
  std::string ReadRequest();
  bool Write(std::string_view bytes);
  // Blocks until the other side closes.
  void WaitForClose();
  // Whether the other side showed a certificate.
  bool HasClientCertificate() const;
  // Whether more can be written within `patience` without the other side reading.
  bool CanWrite(int patience_ms) const;

 private:
  std::ptrdiff_t Read(char* buffer, size_t size);

  int fd_;
  SSL* ssl_;  // null: plain
};

struct RawTls {
  std::string certificate_pem;
  std::string key_pem;
  int max_version = 0;  // 0 = any
};

class RawServer {
 public:
  // `serve` runs once for each connection; the connection closes when it returns.
  explicit RawServer(std::function<void(RawPeer&)> serve, const RawTls* tls = nullptr);
  ~RawServer();
  RawServer(const RawServer&) = delete;
  RawServer& operator=(const RawServer&) = delete;

  int port() const { return port_; }
  std::string url() const;
  int connections() const { return connections_; }

 private:
  void Accept();
  void ServeOne(int fd);

  std::function<void(RawPeer&)> serve_;
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_{nullptr, SSL_CTX_free};
  int listener_ = -1;
  int port_ = 0;
  std::atomic<int> connections_{0};
  std::mutex mutex_;
  bool down_ = false;                   // guarded by mutex_
  std::vector<int> open_;               // guarded by mutex_
  std::vector<std::jthread> handlers_;  // guarded by mutex_
  std::jthread acceptor_;
};

// "HTTP/1.1 200 OK" and so on with a Content-Length.
std::string HttpAnswer(int status, const std::string& body, const std::string& headers = "");
// The head of a chunked answer, and one chunk of it ("" = the last).
std::string ChunkedHead(int status);
std::string Chunk(const std::string& bytes);

}  // namespace sandgate::testing
