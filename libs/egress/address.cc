#include "libs/egress/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace sandgate::egress {
namespace {

using base::Code;
using base::Result;
using base::Status;

constexpr unsigned kV4Bits = 32;
constexpr unsigned kV6Bits = 128;
constexpr int kNoV4 = -1;

struct Range {
  const char* cidr;
  const char* kind;
  int v4_at = kNoV4;  // where an IPv4 address stands inside, in bytes
};

// clang-format off: a table
constexpr Range kRanges[] = {
    {"169.254.169.254/32", "metadata"},  // most clouds
    {"169.254.170.2/32", "metadata"},    // container credentials
    {"169.254.170.23/32", "metadata"},   // pod credentials
    {"100.100.100.200/32", "metadata"},
    {"168.63.129.16/32", "metadata"},  // a public address that a cloud answers on itself
    {"192.0.0.192/32", "metadata"},
    {"0.0.0.0/8", "this network"},
    {"10.0.0.0/8", "private"},
    {"100.64.0.0/10", "carrier-grade NAT"},
    {"127.0.0.0/8", "loopback"},
    {"169.254.0.0/16", "link-local"},
    {"172.16.0.0/12", "private"},
    {"192.0.0.0/24", "protocol assignment"},
    {"192.0.2.0/24", "documentation"},
    {"192.88.99.0/24", "6to4 relay"},
    {"192.168.0.0/16", "private"},
    {"198.18.0.0/15", "benchmarking"},
    {"198.51.100.0/24", "documentation"},
    {"203.0.113.0/24", "documentation"},
    {"224.0.0.0/4", "multicast"},
    {"255.255.255.255/32", "broadcast"},
    {"240.0.0.0/4", "reserved"},

    {"fd00:ec2::254/128", "metadata"},
    {"fd00:ec2::23/128", "metadata"},
    {"fd20:ce::254/128", "metadata"},
    {"::/128", "unspecified"},
    {"::1/128", "loopback"},
    {"::ffff:0:0/96", "mapped IPv4", 12},
    {"::ffff:0:0:0/96", "translated IPv4", 12},
    {"::/96", "compatible IPv4", 12},
    {"64:ff9b::/96", "NAT64", 12},
    {"64:ff9b:1::/48", "local NAT64", 12},  // the /96 use of it; other layouts need no exception
    {"100::/64", "discard"},
    {"2001::/32", "Teredo"},
    {"2001:2::/48", "benchmarking"},
    {"2001:10::/28", "ORCHID"},
    {"2001:20::/28", "ORCHID"},
    {"2001:db8::/32", "documentation"},
    {"2001::/23", "protocol assignment"},
    {"2002::/16", "6to4", 2},
    {"3fff::/20", "documentation"},
    {"fc00::/7", "unique local"},
    {"fe80::/10", "link-local"},
    {"fec0::/10", "site-local"},
    {"ff00::/8", "multicast"},
    // Everything that is not global unicast (2000::/3).
    {"::/3", "reserved"},
    {"4000::/2", "reserved"},
    {"8000::/1", "reserved"},
};
// clang-format on

struct Entry {
  Cidr cidr;
  const char* kind;
  int v4_at;
};

const std::vector<Entry>& Table() {
  static const std::vector<Entry> table = [] {
    std::vector<Entry> entries;
    for (const Range& range : kRanges) {
      entries.push_back({Cidr::Parse(range.cidr).value(), range.kind, range.v4_at});
    }
    return entries;
  }();
  return table;
}

IpAddress V4At(const IpAddress& outer, int at) {
  IpAddress inner;
  std::copy_n(outer.bytes.begin() + at, 4, inner.bytes.begin());
  return inner;
}

bool SamePrefix(const IpAddress& a, const IpAddress& b, unsigned bits) {
  const unsigned whole = bits / 8;
  if (!std::equal(a.bytes.begin(), a.bytes.begin() + whole, b.bytes.begin())) return false;
  if (bits % 8 == 0) return true;
  const auto mask = static_cast<uint8_t>(0xff << (8 - bits % 8));
  return ((a.bytes[whole] ^ b.bytes[whole]) & mask) == 0;
}

// Whether all bits behind the prefix are zero.
bool IsBase(const Cidr& cidr) {
  for (unsigned bit = cidr.prefix; bit < (cidr.base.v6 ? kV6Bits : kV4Bits); ++bit) {
    if ((cidr.base.bytes[bit / 8] >> (7 - bit % 8) & 1) != 0) return false;
  }
  return true;
}

}  // namespace

std::optional<IpAddress> IpAddress::Parse(const std::string& text) {
  IpAddress address;
  if (inet_pton(AF_INET, text.c_str(), address.bytes.data()) == 1) return address;
  address.v6 = true;
  if (inet_pton(AF_INET6, text.c_str(), address.bytes.data()) == 1) return address;
  return std::nullopt;
}

std::string IpAddress::ToString() const {
  char text[INET6_ADDRSTRLEN] = "";
  inet_ntop(v6 ? AF_INET6 : AF_INET, bytes.data(), text, sizeof text);
  return text;
}

Result<Cidr> Cidr::Parse(const std::string& text) {
  const Status bad(Code::kInvalidArgument,
                   "\"" + text + "\" is no range of addresses such as 10.0.0.0/8");
  const size_t slash = text.find('/');
  const std::optional<IpAddress> address = IpAddress::Parse(text.substr(0, slash));
  if (!address) return bad;
  Cidr cidr{*address, address->v6 ? kV6Bits : kV4Bits};
  if (slash != std::string::npos) {
    const char* const end = text.data() + text.size();
    const unsigned most = cidr.prefix;
    const auto [rest, error] = std::from_chars(text.data() + slash + 1, end, cidr.prefix);
    if (error != std::errc() || rest != end || cidr.prefix > most) return bad;
  }
  if (!IsBase(cidr)) return bad;
  return cidr;
}

bool Cidr::Contains(const IpAddress& address) const {
  return address.v6 == base.v6 && SamePrefix(address, base, prefix);
}

Result<std::vector<Cidr>> ParseCidrList(std::string_view text) {
  std::vector<Cidr> list;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    Result<Cidr> cidr = Cidr::Parse(std::string(text.substr(0, comma)));
    if (!cidr.ok()) return cidr.status();
    list.push_back(*cidr);
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return list;
}

bool AddressClassifier::Excepted(const IpAddress& address, unsigned prefix) const {
  return std::any_of(exceptions_.begin(), exceptions_.end(), [&](const Cidr& exception) {
    return exception.prefix >= prefix && exception.Contains(address);
  });
}

// The narrowest range decides: what opens it is narrow enough for all the wider ones around it.
const char* AddressClassifier::Forbidden(const IpAddress& address) const {
  Entry narrowest{{}, nullptr, kNoV4};
  for (const Entry& entry : Table()) {
    if (!entry.cidr.Contains(address)) continue;
    if (narrowest.kind == nullptr || entry.cidr.prefix > narrowest.cidr.prefix) narrowest = entry;
  }
  for (const Cidr& range : cluster_) {
    if (!range.Contains(address)) continue;
    if (narrowest.kind == nullptr || range.prefix >= narrowest.cidr.prefix) {
      narrowest = {range, "cluster", narrowest.v4_at};
    }
  }
  if (narrowest.kind == nullptr) return nullptr;
  if (!Excepted(address, narrowest.cidr.prefix)) return narrowest.kind;
  // What is inside must be reachable by itself; no form of IPv4 holds another one.
  return narrowest.v4_at == kNoV4 ? nullptr : Forbidden(V4At(address, narrowest.v4_at));
}

}  // namespace sandgate::egress
