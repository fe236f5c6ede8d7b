#include "egress-proxy/options.h"

#include <charconv>
#include <functional>
#include <map>
#include <optional>

namespace sandgate::egress {

const char kUsage[] =
    R"(usage: sandgate-egress --tls-dir DIR --client-ca FILE --keys-dir DIR [OPTION]...

The only way out of Sandgate's sandboxes, by domain. Runners connect with their sandbox's
certificate and a grant that the operator has signed.

  --listen ADDRESS:PORT         where runners connect, over mutual TLS (default 0.0.0.0:8443)
  --health ADDRESS:PORT         where to serve /healthz, /readyz and /metrics over plain HTTP
                                (default 0.0.0.0:8081)
  --tls-dir DIR                 tls.crt (leaf first) and tls.key, as PEM; read again on change
  --client-ca FILE              authorities of the sandboxes' certificates, as PEM; read again on
                                change
  --keys-dir DIR                public keys of grants, one PEM in each *.pem; read again on change
  --resolver LIST               DNS servers, as 10.96.0.10,10.0.0.2:5353 (default: resolv.conf)
  --allowed-private-cidrs LIST  addresses that are reachable although they are not public
  --cluster-cidrs LIST          ranges of pods, Services and nodes, which are never reachable
                                unless the list above names them as narrowly
  --max-connections N           in all (default 10000)
  --max-run-connections N       of one run (default 1024)
  --max-arrivals N              of one address, before their grants (default 256)
  --idle-timeout SECONDS        without a byte either way (default 300)
  --max-lifetime SECONDS        of one connection (default 3600)
  --drain SECONDS               how long open connections may go on after SIGTERM (default 25)
  --threads N                   default: one for each core
  --version, --help

SANDGATE_LOG_LEVEL=debug|info|warning|error sets how much is logged (default info; the audit lines
are of level info).
)";

namespace {

using Setter = std::function<std::optional<std::string>(const std::string&)>;

Setter Text(std::string* into) {
  return [into](const std::string& value) -> std::optional<std::string> {
    *into = value;
    return std::nullopt;
  };
}

Setter AddressInto(http::Address* into) {
  return [into](const std::string& value) -> std::optional<std::string> {
    const auto address = http::ParseAddress(value);
    if (!address) return " must be ADDRESS:PORT, for example 0.0.0.0:8443";
    *into = *address;
    return std::nullopt;
  };
}

Setter Ranges(std::vector<Cidr>* into) {
  return [into](const std::string& value) -> std::optional<std::string> {
    auto list = ParseCidrList(value);
    if (!list.ok()) return ": " + list.status().message();
    *into = std::move(list).value();
    return std::nullopt;
  };
}

Setter Number(int64_t most, std::function<void(int64_t)> set) {
  return [most, set = std::move(set)](const std::string& value) -> std::optional<std::string> {
    int64_t number = 0;
    const char* const end = value.data() + value.size();
    const auto [rest, error] = std::from_chars(value.data(), end, number);
    if (error != std::errc() || rest != end || number < 1 || number > most) {
      return " must be a number from 1 to " + std::to_string(most);
    }
    set(number);
    return std::nullopt;
  };
}

std::map<std::string, Setter> SettersOf(Options* options) {
  constexpr int64_t kMaxConnections = 1'000'000;
  constexpr int64_t kMaxSeconds = 86'400;
  constexpr int64_t kMaxThreads = 256;
  ProxyLimits* const limits = &options->limits;
  const auto count = [](size_t* into) {
    return Number(kMaxConnections, [into](int64_t n) { *into = static_cast<size_t>(n); });
  };
  const auto seconds = [](std::chrono::seconds* into) {
    return Number(kMaxSeconds, [into](int64_t n) { *into = std::chrono::seconds(n); });
  };
  return {{"--listen", AddressInto(&options->listen)},
          {"--health", AddressInto(&options->health)},
          {"--tls-dir", Text(&options->tls_dir)},
          {"--client-ca", Text(&options->client_ca)},
          {"--keys-dir", Text(&options->keys_dir)},
          {"--resolver", Text(&options->resolver)},
          {"--allowed-private-cidrs", Ranges(&options->allowed_private)},
          {"--cluster-cidrs", Ranges(&options->cluster)},
          {"--max-connections", count(&limits->max_connections)},
          {"--max-run-connections", count(&limits->max_run_connections)},
          {"--max-arrivals", count(&limits->max_arrivals)},
          {"--idle-timeout", seconds(&limits->idle)},
          {"--max-lifetime", seconds(&limits->lifetime)},
          {"--drain", seconds(&options->drain)},
          {"--threads",
           Number(kMaxThreads, [options](int64_t n) { options->threads = static_cast<int>(n); })}};
}

}  // namespace

std::variant<Options, std::string> ParseOptions(const std::vector<std::string>& arguments) {
  Options options;
  const std::map<std::string, Setter> setters = SettersOf(&options);
  for (size_t i = 0; i < arguments.size(); ++i) {
    const size_t equals = arguments[i].find('=');
    const std::string name = arguments[i].substr(0, equals);
    options.help = options.help || name == "--help" || name == "-h";
    options.version = options.version || name == "--version";
    if (options.help || options.version) return options;
    const auto setter = setters.find(name);
    if (setter == setters.end()) return "unknown option " + name;
    std::string value;
    if (equals != std::string::npos) {
      value = arguments[i].substr(equals + 1);
    } else if (i + 1 < arguments.size()) {
      value = arguments[++i];
    } else {
      return name + " needs a value";
    }
    const std::optional<std::string> problem = setter->second(value);
    if (problem) return name + *problem;
  }
  if (options.tls_dir.empty()) return "--tls-dir is missing";
  if (options.client_ca.empty()) return "--client-ca is missing";
  if (options.keys_dir.empty()) return "--keys-dir is missing";
  return options;
}

}  // namespace sandgate::egress
