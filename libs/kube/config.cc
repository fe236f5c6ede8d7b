#include <yaml-cpp/yaml.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include "libs/api/runner_protocol.h"  // Base64Decode
#include "libs/kube/api.h"

namespace sandgate::kube {
namespace {

using base::Code;
using base::Result;
using base::Status;

constexpr std::uintmax_t kMaxFileBytes = 1024 * 1024;
// Where the kubelet mounts a pod's service account.
constexpr char kServiceAccountDirectory[] = "/var/run/secrets/kubernetes.io/serviceaccount";

Status Wrong(const std::string& file, const std::string& what) {
  return Status(Code::kInvalidArgument, file + ": " + what);
}

Result<std::string> ReadFile(const std::string& path) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  if (error) return Wrong(path, "cannot be read: " + error.message());
  if (size > kMaxFileBytes) return Wrong(path, "is larger than 1 MiB");
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in) return Wrong(path, "cannot be read");
  return std::move(text).str();
}

// The member `key` of the element of `list` that is called `name`. nullopt when there is none.
std::optional<YAML::Node> Named(const YAML::Node& list, const std::string& name,
                                const std::string& key) {
  if (!list.IsSequence()) return std::nullopt;
  for (const YAML::Node& item : list) {
    if (item.IsMap() && item["name"].IsScalar() && item["name"].Scalar() == name &&
        item[key].IsMap()) {
      return item[key];
    }
  }
  return std::nullopt;
}

std::string Text(const YAML::Node& map, const std::string& key) {
  const YAML::Node value = map[key];
  return value.IsDefined() && value.IsScalar() ? value.Scalar() : "";
}

// `key`-data holds base64, `key` a path, relative to the kubeconfig itself; "" when neither is set.
Result<std::string> InlineOrFile(const YAML::Node& map, const std::string& key,
                                 const std::string& file) {
  if (const std::string data = Text(map, key + "-data"); !data.empty()) {
    std::optional<std::string> decoded = api::Base64Decode(data);
    if (!decoded) return Wrong(file, key + "-data is not base64");
    return *std::move(decoded);
  }
  const std::string path = Text(map, key);
  if (path.empty()) return std::string();
  return ReadFile((std::filesystem::path(file).parent_path() / path).string());
}

Status ReadCluster(const YAML::Node& cluster, const std::string& file, rest::Config* config) {
  config->base_url = Text(cluster, "server");
  if (config->base_url.empty()) return Wrong(file, "the cluster has no server");
  if (cluster["insecure-skip-tls-verify"].IsDefined() &&
      Text(cluster, "insecure-skip-tls-verify") != "false") {
    return Wrong(file, "insecure-skip-tls-verify is not supported: whom would we be trusting?");
  }
  for (const char* key : {"proxy-url", "tls-server-name"}) {
    if (!Text(cluster, key).empty()) return Wrong(file, std::string(key) + " is not supported");
  }
  auto ca = InlineOrFile(cluster, "certificate-authority", file);
  if (!ca.ok()) return ca.status();
  config->ca_pem = *std::move(ca);
  return Status::Ok();
}

Status ReadUser(const YAML::Node& user, const std::string& file, rest::Config* config) {
  for (const char* key : {"exec", "auth-provider", "username", "as"}) {
    if (user[key].IsDefined()) return Wrong(file, std::string("user.") + key + " is not supported");
  }
  auto certificate = InlineOrFile(user, "client-certificate", file);
  if (!certificate.ok()) return certificate.status();
  auto key = InlineOrFile(user, "client-key", file);
  if (!key.ok()) return key.status();
  if (certificate->empty() != key->empty()) {
    return Wrong(file, "client-certificate and client-key belong together");
  }
  config->client_certificate_pem = *std::move(certificate);
  config->client_key_pem = *std::move(key);
  config->token = Text(user, "token");
  if (const std::string path = Text(user, "tokenFile"); !path.empty()) {
    config->token_file = (std::filesystem::path(file).parent_path() / path).string();
    config->token.clear();  // as kubectl: the file wins
  }
  return Status::Ok();
}

Result<rest::Config> ReadKubeconfig(const YAML::Node& root, const std::string& file) {
  if (!root.IsMap()) return Wrong(file, "is not a kubeconfig");
  const std::string current = Text(root, "current-context");
  if (current.empty()) return Wrong(file, "current-context is not set");
  const auto context = Named(root["contexts"], current, "context");
  if (!context) return Wrong(file, "no context is called " + current);
  const auto cluster = Named(root["clusters"], Text(*context, "cluster"), "cluster");
  if (!cluster) return Wrong(file, "context " + current + " names an unknown cluster");
  const auto user = Named(root["users"], Text(*context, "user"), "user");
  if (!user) return Wrong(file, "context " + current + " names an unknown user");
  rest::Config config;
  if (Status status = ReadCluster(*cluster, file, &config); !status.ok()) return status;
  if (Status status = ReadUser(*user, file, &config); !status.ok()) return status;
  return config;
}

Result<rest::Config> LoadKubeconfig(const std::string& file) {
  auto text = ReadFile(file);
  if (!text.ok()) return text.status();
  try {
    return ReadKubeconfig(YAML::Load(*text), file);
  } catch (const YAML::Exception& error) {
    // The message has line and column, never the text: there are keys in it.
    return Wrong(file, "line " + std::to_string(error.mark.line + 1) + ": " + error.msg);
  }
}

Result<rest::Config> LoadInCluster() {
  const char* host = std::getenv("KUBERNETES_SERVICE_HOST");
  const char* port = std::getenv("KUBERNETES_SERVICE_PORT");
  if (host == nullptr || port == nullptr) {
    return Status(Code::kInvalidArgument,
                  "no kubeconfig is given and KUBERNETES_SERVICE_HOST is not set (not in a pod?)");
  }
  // An IPv6 address is not understood by the HTTP library; every API server has this name, too.
  const std::string address(host);
  const bool ipv6 = address.find(':') != std::string::npos;
  const std::string directory(kServiceAccountDirectory);
  rest::Config config;
  config.base_url = "https://" + (ipv6 ? "kubernetes.default.svc" : address) + ":" + port;
  auto ca = ReadFile(directory + "/ca.crt");
  if (!ca.ok()) return ca.status();
  config.ca_pem = *std::move(ca);
  config.token_file = directory + "/token";
  return config;
}

}  // namespace

Result<rest::Config> LoadConfig(const std::string& kubeconfig_path) {
  if (!kubeconfig_path.empty()) return LoadKubeconfig(kubeconfig_path);
  const char* environment = std::getenv("KUBECONFIG");
  if (environment != nullptr && *environment != '\0') return LoadKubeconfig(environment);
  return LoadInCluster();
}

}  // namespace sandgate::kube
