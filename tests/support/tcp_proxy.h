// A TCP relay on loopback that a test can cut, so that a real server's connections break.
#pragma once

#include <mutex>
#include <set>
#include <thread>
#include <vector>

namespace sandgate::testing {

class TcpProxy {
 public:
  // Relays to 127.0.0.1:`target_port`.
  explicit TcpProxy(int target_port);
  ~TcpProxy();
  TcpProxy(const TcpProxy&) = delete;
  TcpProxy& operator=(const TcpProxy&) = delete;

  int port() const { return port_; }
  // Ends every connection there is.
  void Cut();
  // While refusing, new connections end at once.
  void Refuse(bool refuse);

 private:
  void Accept();
  void Relay(int client);

  int target_port_;
  int listener_ = -1;
  int port_ = 0;
  std::mutex mutex_;
  bool refuse_ = false;               // guarded by mutex_
  std::set<int> open_;                // guarded by mutex_
  std::vector<std::jthread> relays_;  // guarded by mutex_
  std::jthread acceptor_;
};

}  // namespace sandgate::testing
