#include "api-gateway/options.h"

#include <map>

namespace sandgate::gateway {

const char kUsage[] =
    R"(usage: sandgate-gateway --tls-cert FILE --tls-key FILE [OPTION]...

Sandgate's tools over REST. Callers bring a bearer token of the Kubernetes API.

  --listen ADDRESS:PORT      where to serve the API over TLS (default 0.0.0.0:8443)
  --tls-cert FILE            certificate, leaf first, as PEM; read again when it changes
  --tls-key FILE             its private key as PEM
  --health ADDRESS:PORT      where to serve /healthz, /readyz and /metrics over plain HTTP
                             (default 0.0.0.0:8081)
  --kubeconfig FILE          how to reach the Kubernetes API (default: $KUBECONFIG, else the pod's
                             ServiceAccount)
  --required-audience NAME   accept only tokens with this audience
  --version, --help

SANDGATE_LOG_LEVEL=debug|info|warning|error sets how much is logged (default info).
)";

std::variant<Options, std::string> ParseOptions(const std::vector<std::string>& arguments) {
  Options options;
  const std::map<std::string, std::string*> texts = {
      {"--tls-cert", &options.tls_cert},
      {"--tls-key", &options.tls_key},
      {"--kubeconfig", &options.kubeconfig},
      {"--required-audience", &options.required_audience}};
  const std::map<std::string, http::Address*> addresses = {{"--listen", &options.listen},
                                                           {"--health", &options.health}};
  for (size_t i = 0; i < arguments.size(); ++i) {
    const size_t equals = arguments[i].find('=');
    const std::string name = arguments[i].substr(0, equals);
    if (name == "--help" || name == "-h") {
      options.help = true;
      return options;
    }
    if (name == "--version") {
      options.version = true;
      return options;
    }
    const auto text = texts.find(name);
    const auto address = addresses.find(name);
    if (text == texts.end() && address == addresses.end()) return "unknown option " + name;
    std::string value;
    if (equals != std::string::npos) {
      value = arguments[i].substr(equals + 1);
    } else if (i + 1 < arguments.size()) {
      value = arguments[++i];
    }
    if (value.empty()) return name + " needs a value";
    if (text != texts.end()) {
      *text->second = value;
      continue;
    }
    const auto parsed = http::ParseAddress(value);
    if (!parsed) return name + " must be ADDRESS:PORT, for example 0.0.0.0:8443";
    *address->second = *parsed;
  }
  if (options.tls_cert.empty()) return "--tls-cert is missing";
  if (options.tls_key.empty()) return "--tls-key is missing";
  return options;
}

}  // namespace sandgate::gateway
