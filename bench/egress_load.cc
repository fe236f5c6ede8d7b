// The two ends of the egress benchmark: a TLS server that sends as many bytes as it is asked for,
// and a client that asks directly, through a plain HTTP proxy, or through sandgate-egress as a
// runner would (TLS around the tunnel, with a sandbox's certificate and a grant).
//
//   egress-load serve ADDRESS PORT CERT KEY
//   egress-load client direct|plain|sandgate WORK COUNT BYTES THREADS; the rest of
//   what it needs is in the environment, as bench/egress sets it.
//
// WORK: `new` (a connection for each request), `keep` (one connection for a thread's requests),
// `hold` (open COUNT connections, say so, keep them until stdin ends). Prints one JSON line.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
constexpr size_t kChunk = 256 * 1024;

[[noreturn]] void Die(const char* what) {
  std::fprintf(stderr, "egress-load: %s\n", what);
  ERR_print_errors_fp(stderr);
  std::exit(1);
}

std::string Setting(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

int Connect(const std::string& host, int port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  inet_pton(AF_INET, host.c_str(), &address.sin_addr);
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) Die("connect");
  return fd;
}

void WriteAll(BIO* bio, const void* data, size_t size) {
  const char* at = static_cast<const char*>(data);
  while (size > 0) {
    size_t written = 0;
    if (BIO_write_ex(bio, at, size, &written) != 1) Die("write");
    at += written;
    size -= written;
  }
}

void ReadAll(BIO* bio, char* into, size_t size) {
  while (size > 0) {
    size_t got = 0;
    if (BIO_read_ex(bio, into, std::min(size, kChunk), &got) != 1) Die("read");
    size -= got;
  }
}

// --- the far side ----------------------------------------------------------------------------

void Talk(SSL_CTX* context, int fd) {
  SSL* const tls = SSL_new(context);
  SSL_set_fd(tls, fd);
  static const std::vector<char> zeros(kChunk, 'z');
  if (SSL_accept(tls) == 1) {
    uint64_t size = 0;
    while (SSL_read(tls, &size, sizeof size) == static_cast<int>(sizeof size)) {
      while (size > 0) {
        const int written =
            SSL_write(tls, zeros.data(), static_cast<int>(std::min<uint64_t>(size, kChunk)));
        if (written <= 0) break;
        size -= static_cast<uint64_t>(written);
      }
    }
  }
  SSL_free(tls);
  close(fd);
}

void Serve(const std::string& host, int port, const char* cert, const char* key) {
  SSL_CTX* const context = SSL_CTX_new(TLS_server_method());
  if (SSL_CTX_use_certificate_chain_file(context, cert) != 1 ||
      SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) {
    Die("server certificate");
  }
  SSL_CTX_set_num_tickets(context, 0);
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  const int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  inet_pton(AF_INET, host.c_str(), &address.sin_addr);
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) Die("bind");
  listen(listener, 4096);
  std::puts("ready");
  std::fflush(stdout);
  for (;;) {
    const int fd = accept(listener, nullptr, nullptr);
    if (fd < 0) continue;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    std::thread(Talk, context, fd).detach();
  }
}

// --- the near side ---------------------------------------------------------------------------

struct Client {
  std::string route;
  SSL_CTX* inner = SSL_CTX_new(TLS_client_method());
  SSL_CTX* outer = SSL_CTX_new(TLS_client_method());
  const std::string name = Setting("NAME");
  const std::string host = Setting("HOST");  // of the server, or of the proxy
  const int port = std::atoi(Setting("PORT").c_str());
  const std::string connect;  // what is said to the proxy

  explicit Client(const std::string& with_route)
      : route(with_route),
        connect("CONNECT " + Setting("TARGET") + " HTTP/1.1\r\n" +
                (route == "sandgate" ? "Sandgate-Grant: " + Setting("GRANT") + "\r\n" : "") +
                "Host: " + Setting("TARGET") + "\r\n\r\n") {
    if (SSL_CTX_load_verify_file(inner, Setting("FAR_CA").c_str()) != 1) Die("FAR_CA");
    SSL_CTX_set_verify(inner, SSL_VERIFY_PEER, nullptr);
    if (route != "sandgate") return;
    if (SSL_CTX_load_verify_file(outer, Setting("OUR_CA").c_str()) != 1 ||
        SSL_CTX_use_certificate_chain_file(outer, Setting("CERT").c_str()) != 1 ||
        SSL_CTX_use_PrivateKey_file(outer, Setting("KEY").c_str(), SSL_FILETYPE_PEM) != 1) {
      Die("identity");
    }
    SSL_CTX_set_verify(outer, SSL_VERIFY_PEER, nullptr);
  }

  // A chain of BIOs that ends in the server's application data.
  BIO* Open() const {
    BIO* transport = BIO_new_socket(Connect(host, port), BIO_CLOSE);
    if (route == "sandgate") transport = BIO_push(BIO_new_ssl(outer, 1), transport);
    if (route != "direct") {
      WriteAll(transport, connect.data(), connect.size());
      std::string head;
      while (!head.ends_with("\r\n\r\n")) {
        char c = 0;
        ReadAll(transport, &c, 1);
        head += c;
      }
      if (head.find(" 200 ") == std::string::npos) Die(head.c_str());
    }
    BIO* const tls = BIO_new_ssl(inner, 1);
    SSL* ssl = nullptr;
    BIO_get_ssl(tls, &ssl);
    SSL_set_tlsext_host_name(ssl, name.c_str());
    BIO* const chain = BIO_push(tls, transport);
    if (BIO_do_handshake(chain) != 1) Die("handshake");
    return chain;
  }
};

void Ask(BIO* bio, uint64_t bytes) {
  thread_local std::vector<char> into(kChunk);
  WriteAll(bio, &bytes, sizeof bytes);
  ReadAll(bio, into.data(), bytes);
}

void Hold(const Client& client, int count) {
  std::vector<BIO*> open;
  for (int i = 0; i < count; ++i) {
    open.push_back(client.Open());
    Ask(open.back(), 1);
  }
  std::puts("open");
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
}

void Run(const Client& client, bool keep, int count, uint64_t bytes, int threads) {
  std::vector<double> seen(static_cast<size_t>(count));
  std::atomic<int> next{0};
  const auto work = [&] {
    BIO* kept = keep ? client.Open() : nullptr;
    if (keep) Ask(kept, 1);
    for (int i = next++; i < count; i = next++) {
      const auto began = Clock::now();
      BIO* const bio = keep ? kept : client.Open();
      Ask(bio, bytes);
      seen[static_cast<size_t>(i)] = std::chrono::duration<double>(Clock::now() - began).count();
      if (!keep) BIO_free_all(bio);
    }
    BIO_free_all(kept);
  };
  const auto began = Clock::now();
  std::vector<std::thread> all;
  for (int i = 0; i < threads; ++i) all.emplace_back(work);
  for (std::thread& thread : all) thread.join();
  const double seconds = std::chrono::duration<double>(Clock::now() - began).count();
  std::sort(seen.begin(), seen.end());
  std::printf("{\"seconds\": %.6f, \"p50\": %.6f, \"p99\": %.6f}\n", seconds, seen[seen.size() / 2],
              seen[seen.size() * 99 / 100]);
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  const std::vector<std::string> words(argv, argv + argc);
  if (argc == 6 && words[1] == "serve") Serve(words[2], std::stoi(words[3]), argv[4], argv[5]);
  if (argc != 7 || words[1] != "client") Die("see the head of bench/egress_load.cc");
  const Client client(words[2]);
  const int count = std::stoi(words[4]);
  if (words[3] == "hold") {
    Hold(client, count);
  } else {
    Run(client, words[3] == "keep", count, std::stoull(words[5]), std::stoi(words[6]));
  }
  return 0;
}
