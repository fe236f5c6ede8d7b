#include "operator/pod_builder.h"

#include <algorithm>

#include "libs/api/runner_protocol.h"
#include "libs/egress/protocol.h"

namespace sandgate::op {
namespace {

using api::Json;

constexpr char kRunner[] = "/usr/local/bin/sandgate-runner";
constexpr char kInstalled[] = "/sandgate/bin/sandgate-runner";
constexpr int kUser = 1000;
constexpr int64_t kInitMemoryBytes = 128LL << 20;
constexpr int kStopSeconds = 5;
constexpr int kNodeLostSeconds = 30;

Json OwnedBy(const api::Sandbox& sandbox) {
  return Json::array(
      {api::OwnerToJson({api::kApiVersion, "Sandbox", sandbox.meta.name, sandbox.meta.uid, true})});
}

Json Resources(int64_t cpu_millis, int64_t memory_bytes, const Settings& settings) {
  const auto text = [](int64_t cpu, int64_t memory) {
    return Json{{"cpu", std::to_string(cpu) + "m"}, {"memory", std::to_string(memory)}};
  };
  return {{"limits", text(cpu_millis, memory_bytes)},
          {"requests", text(std::min(cpu_millis, settings.request_cpu_millis),
                            std::min(memory_bytes, settings.request_memory_bytes))}};
}

Json ContainerSecurity() {
  return {{"allowPrivilegeEscalation", false},
          {"privileged", false},
          {"readOnlyRootFilesystem", true},
          {"capabilities", {{"drop", {"ALL"}}}}};
}

Json Mount(const char* name, const char* path, bool read_only = false) {
  Json mount = {{"name", name}, {"mountPath", path}};
  if (read_only) mount["readOnly"] = true;
  return mount;
}

// Copies the runner and its key to where the sandbox's container finds them: only this container
// ever mounts the Secret.
Json InstallContainer(const api::EffectiveLimits& limits, const Settings& settings) {
  return {{"name", "install"},
          {"image", settings.image},
          {"imagePullPolicy", settings.pull_policy},
          {"command",
           {kRunner, "install", "--to", "/sandgate/bin", "--secret", "/sandgate/secret",
            "--identity", "/sandgate/identity"}},
          {"resources", Resources(limits.cpu_millis, kInitMemoryBytes, settings)},
          {"securityContext", ContainerSecurity()},
          {"terminationMessagePolicy", "File"},
          {"volumeMounts",
           {Mount("runner", "/sandgate/bin"), Mount("secret", "/sandgate/secret", true),
            Mount("identity", "/sandgate/identity")}}};
}

// Half CPUs begun, each with its share: code at more CPU fills memory faster.
int64_t Overhead(int64_t cpu_millis, const Settings& settings) {
  return std::max<int64_t>(1, (cpu_millis + 499) / 500) * settings.overhead_bytes;
}

Json SandboxContainer(const api::Sandbox& sandbox, const api::EffectiveLimits& limits,
                      const Settings& settings) {
  const int64_t memory =
      limits.memory_bytes + limits.disk_bytes + Overhead(limits.cpu_millis, settings);
  return {{"name", "sandbox"},
          {"image", limits.image},
          {"imagePullPolicy", "IfNotPresent"},
          {"command",
           {kInstalled, "serve", "--identity", "/sandgate/identity", "--sandbox-uid",
            sandbox.meta.uid, "--workspace", "/workspace"}},
          {"workingDir", "/workspace"},
          {"ports", {{{"name", "runner"}, {"containerPort", api::kRunnerPort}}}},
          {"resources", Resources(limits.cpu_millis, memory, settings)},
          {"securityContext", ContainerSecurity()},
          // Code could forge the message: nothing reads it, and no log is taken for one.
          {"terminationMessagePath", "/dev/termination-log"},
          {"terminationMessagePolicy", "File"},
          {"volumeMounts",
           {Mount("runner", "/sandgate/bin", true), Mount("identity", "/sandgate/identity"),
            Mount("workspace", "/workspace")}}};
}

Json Volumes(const api::Sandbox& sandbox, const api::EffectiveLimits& limits) {
  const auto memory = [](const std::string& size) {
    return Json{{"medium", "Memory"}, {"sizeLimit", size}};
  };
  return Json::array(
      {{{"name", "runner"}, {"emptyDir", {{"sizeLimit", "64Mi"}}}},
       {{"name", "secret"},
        {"secret", {{"secretName", RunnerSecretName(sandbox.meta.uid)}, {"defaultMode", 0440}}}},
       {{"name", "identity"}, {"emptyDir", memory("1Mi")}},
       {{"name", "workspace"}, {"emptyDir", memory(std::to_string(limits.disk_bytes))}}});
}

Json Toleration(const char* key) {
  return {{"key", key},
          {"operator", "Exists"},
          {"effect", "NoExecute"},
          {"tolerationSeconds", kNodeLostSeconds}};
}

Json Labels(const api::Sandbox& sandbox, const api::EffectiveLimits& limits) {
  Json labels = {{kSandboxLabel, sandbox.meta.name}, {kManagedByLabel, kManagedBy}};
  if (limits.network_enabled) labels[kNetworkLabel] = "enabled";
  return labels;
}

Json PodSpec(const api::Sandbox& sandbox, const api::EffectiveLimits& limits,
             const std::string& runtime_class, const Settings& settings) {
  Json spec = {
      {"runtimeClassName", runtime_class},
      {"automountServiceAccountToken", false},
      {"enableServiceLinks", false},
      // A resolver has to be named; nothing listens there.
      {"dnsPolicy", "None"},
      {"dnsConfig", {{"nameservers", {"127.0.0.1"}}}},
      {"restartPolicy", "Never"},  // a restarted runner would have forgotten its runs
      {"terminationGracePeriodSeconds", kStopSeconds},
      {"securityContext",
       {{"runAsNonRoot", true},
        {"runAsUser", kUser},
        {"runAsGroup", kUser},
        {"fsGroup", kUser},
        {"seccompProfile", {{"type", "RuntimeDefault"}}}}},
      {"tolerations",
       {Toleration("node.kubernetes.io/not-ready"), Toleration("node.kubernetes.io/unreachable")}},
      {"initContainers", Json::array({InstallContainer(limits, settings)})},
      {"containers", Json::array({SandboxContainer(sandbox, limits, settings)})},
      {"volumes", Volumes(sandbox, limits)}};
  for (const std::string& secret : settings.pull_secrets) {
    spec["imagePullSecrets"].push_back({{"name", secret}});
  }
  return spec;
}

Json NetworkPolicy(const std::string& ns, const char* name, Json spec) {
  return {{"apiVersion", "networking.k8s.io/v1"},
          {"kind", "NetworkPolicy"},
          {"metadata",
           {{"namespace", ns}, {"name", name}, {"labels", {{kManagedByLabel, kManagedBy}}}}},
          {"spec", std::move(spec)}};
}

// Pods of one of Sandgate's own programs, in the operator's namespace.
Json ProgramPeer(const char* component, const Settings& settings) {
  return {
      {"namespaceSelector", {{"matchLabels", {{"kubernetes.io/metadata.name", settings.ns}}}}},
      {"podSelector",
       {{"matchLabels",
         {{"app.kubernetes.io/name", "sandgate"}, {"app.kubernetes.io/component", component}}}}}};
}

Json TcpPort(uint16_t port) {
  return {{"protocol", "TCP"}, {"port", port}};
}

}  // namespace

std::string PodName(const std::string& sandbox_name) {
  return kPodPrefix + sandbox_name;
}

std::string RunnerSecretName(const std::string& sandbox_uid) {
  return kPodPrefix + sandbox_uid;
}

Json BuildPod(const api::Sandbox& sandbox, const api::EffectiveLimits& limits,
              const std::string& runtime_class, const Settings& settings) {
  return {{"apiVersion", "v1"},
          {"kind", "Pod"},
          {"metadata",
           {{"namespace", sandbox.meta.ns},
            {"name", PodName(sandbox.meta.name)},
            {"labels", Labels(sandbox, limits)},
            {"annotations", {{kEffectiveAnnotation, api::DumpJson(api::ToJson(limits))}}},
            {"ownerReferences", OwnedBy(sandbox)}}},
          {"spec", PodSpec(sandbox, limits, runtime_class, settings)}};
}

Json BuildRunnerSecret(const api::Sandbox& sandbox, const http::TlsIdentity& identity,
                       const std::string& ca_pem) {
  return {{"apiVersion", "v1"},
          {"kind", "Secret"},
          {"type", "Opaque"},
          {"immutable", true},
          {"metadata",
           {{"namespace", sandbox.meta.ns},
            {"name", RunnerSecretName(sandbox.meta.uid)},
            {"labels", {{kManagedByLabel, kManagedBy}}},
            {"ownerReferences", OwnedBy(sandbox)}}},
          {"data",
           {{"tls.crt", api::Base64Encode(identity.certificate_pem)},
            {"tls.key", api::Base64Encode(identity.key_pem)},
            {"ca.crt", api::Base64Encode(ca_pem)}}}};
}

std::vector<Json> BuildNetworkPolicies(const std::string& ns, const Settings& settings) {
  Json all = {
      {"podSelector", {{"matchExpressions", {{{"key", kSandboxLabel}, {"operator", "Exists"}}}}}},
      {"policyTypes", {"Ingress", "Egress"}},
      {"ingress",
       {{{"from", Json::array({ProgramPeer("operator", settings)})},
         {"ports", Json::array({TcpPort(api::kRunnerPort)})}}}}};
  Json networked = {{"podSelector", {{"matchLabels", {{kNetworkLabel, "enabled"}}}}},
                    {"policyTypes", {"Egress"}},
                    {"egress",
                     {{{"to", Json::array({ProgramPeer("egress-proxy", settings)})},
                       {"ports", Json::array({TcpPort(egress::kDefaultEgressPort)})}}}}};
  return {NetworkPolicy(ns, kIsolationPolicy, std::move(all)),
          NetworkPolicy(ns, kNetworkPolicy, std::move(networked))};
}

}  // namespace sandgate::op
