// Servers on loopback for the tests of libs/http, and what they are asked.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "libs/http/server.h"
#include "tests/unit/http_test_util.h"

namespace sandgate::http {

inline Response Text(std::string body) {
  Response response;
  response.headers = {{"Content-Type", "text/plain"}};
  response.body = std::move(body);
  return response;
}

// Answers every request with what was read of it.
inline void Echo(Request request, Responder responder) {
  responder.Send(Text(request.method + ' ' + request.target + ' ' +
                      std::to_string(request.body.size()) + ' ' + request.body));
}

inline ServerOptions Plain() {
  ServerOptions options;
  options.address = "127.0.0.1";
  options.tls = false;
  return options;
}

inline std::unique_ptr<Server> StartServer(ServerOptions options, Handler handler) {
  auto server = Server::Start(std::move(options), std::move(handler));
  if (!server.ok()) throw std::runtime_error(server.status().ToString());
  return std::move(server).value();
}

inline std::string Ask(uint16_t port, std::string_view bytes) {
  RawClient client(port);
  client.Send(bytes);
  return client.ReceiveAll();
}

inline constexpr char kGet[] = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
inline constexpr char kGetClose[] = "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

}  // namespace sandgate::http
