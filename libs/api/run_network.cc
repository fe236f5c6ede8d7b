#include "libs/api/run_network.h"

#include "libs/api/bad_field.h"

namespace sandgate::api {
namespace {

constexpr ProbeOutcome kOutcomes[] = {ProbeOutcome::kConnected, ProbeOutcome::kTimedOut,
                                      ProbeOutcome::kRefused, ProbeOutcome::kUnreachable};
// "[ffff:...:ffff%zone]:65535"
constexpr size_t kMaxAddressBytes = 80;
constexpr size_t kMaxDomainBytes = 255;  // "*." and a name

base::Result<std::string> Text(const Json& json, const char* key, const std::string& field,
                               size_t low, size_t high) {
  const Json& member = Member(json, key);
  if (!member.is_string()) return BadField(field, "must be text");
  std::string text = member.get<std::string>();
  if (text.size() < low || text.size() > high) {
    return BadField(
        field, "must be from " + std::to_string(low) + " to " + std::to_string(high) + " bytes");
  }
  return text;
}

base::Result<std::vector<std::string>> DomainsFromJson(const Json& json) {
  const std::string field = "network.domains";
  if (!json.is_array() || json.empty() || json.size() > kMaxRunDomains) {
    return BadField(field, "must be a list of 1 to " + std::to_string(kMaxRunDomains) + " names");
  }
  std::vector<std::string> domains;
  for (const Json& one : json) {
    if (!one.is_string() || one.empty()) return BadField(field, "must be names");
    domains.push_back(one.get<std::string>());
    if (domains.back().empty() || domains.back().size() > kMaxDomainBytes) {
      return BadField(field, "one is no name");
    }
  }
  return domains;
}

}  // namespace

Json ToJson(const RunNetwork& network) {
  return {{"proxy", network.proxy},
          {"grant", network.grant},
          {"domains", network.domains},
          {"caBundle", network.ca_bundle}};
}

base::Result<RunNetwork> RunNetworkFromJson(const Json& json) {
  if (!json.is_object()) return BadField("network", "must be an object");
  RunNetwork network;
  auto proxy = Text(json, "proxy", "network.proxy", 1, kMaxAddressBytes);
  if (!proxy.ok()) return proxy.status();
  network.proxy = std::move(proxy).value();
  auto grant = Text(json, "grant", "network.grant", 1, kMaxRunGrantBytes);
  if (!grant.ok()) return grant.status();
  network.grant = std::move(grant).value();
  auto bundle = Text(json, "caBundle", "network.caBundle", 0, kMaxCaBundleBytes);
  if (!bundle.ok()) return bundle.status();
  network.ca_bundle = std::move(bundle).value();
  auto domains = DomainsFromJson(Member(json, "domains"));
  if (!domains.ok()) return domains.status();
  network.domains = std::move(domains).value();
  return network;
}

const char* ProbeOutcomeName(ProbeOutcome outcome) {
  switch (outcome) {
    case ProbeOutcome::kConnected:
      return "Connected";
    case ProbeOutcome::kTimedOut:
      return "TimedOut";
    case ProbeOutcome::kRefused:
      return "Refused";
    case ProbeOutcome::kUnreachable:
      return "Unreachable";
  }
  return "";
}

Json ToJson(const ProbeRequest& request) {
  return {{"address", request.address}, {"timeoutMillis", request.timeout_millis}};
}

base::Result<ProbeRequest> ProbeRequestFromJson(const Json& json) {
  ProbeRequest request;
  auto address = Text(json, "address", "address", 1, kMaxAddressBytes);
  if (!address.ok()) return address.status();
  request.address = std::move(address).value();
  const Json& millis = Member(json, "timeoutMillis");
  request.timeout_millis = millis.is_number_integer() ? millis.get<int64_t>() : 0;
  if (request.timeout_millis < 1 || request.timeout_millis > kMaxProbeMillis) {
    return BadField("timeoutMillis",
                    "must be a whole number from 1 to " + std::to_string(kMaxProbeMillis));
  }
  return request;
}

Json ProbeOutcomeToJson(ProbeOutcome outcome) {
  return {{"outcome", ProbeOutcomeName(outcome)}};
}

base::Result<ProbeOutcome> ProbeOutcomeFromJson(const Json& json) {
  const std::string name = StringOr(json, "outcome");
  for (const ProbeOutcome outcome : kOutcomes) {
    if (name == ProbeOutcomeName(outcome)) return outcome;
  }
  return BadField("outcome", "is unknown");
}

}  // namespace sandgate::api
