#include "libs/http/health_server.h"

#include <utility>

namespace sandgate::http {
namespace {

constexpr size_t kMaxConnections = 64;
constexpr size_t kMaxBodyBytes = 1024;

Response PlainText(unsigned status, std::string body) {
  Response response;
  response.status = status;
  response.headers = {{"Content-Type", "text/plain; version=0.0.4; charset=utf-8"}};
  response.body = std::move(body);
  return response;
}

Response Answer(const Request& request, const Health& health) {
  if (request.method != "GET") return PlainText(405, "use GET\n");
  if (request.Path() == "/healthz") return PlainText(200, "ok\n");
  if (request.Path() == "/metrics") return PlainText(200, health.metrics());
  if (request.Path() != "/readyz") return PlainText(404, "not found\n");
  return health.ready() ? PlainText(200, "ok\n") : PlainText(503, health.unready_reason + "\n");
}

}  // namespace

base::Result<std::unique_ptr<Server>> ServeHealth(const Address& address, Health health) {
  ServerOptions options;
  options.address = address.host;
  options.port = address.port;
  options.tls = false;
  options.max_connections = kMaxConnections;
  options.max_body_bytes = kMaxBodyBytes;
  return Server::Start(std::move(options), [health = std::move(health)](
                                               const Request& request, const Responder& responder) {
    responder.Send(Answer(request, health));
  });
}

}  // namespace sandgate::http
