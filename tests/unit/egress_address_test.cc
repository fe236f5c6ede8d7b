#include <gtest/gtest.h>

#include "libs/egress/address.h"

namespace sandgate::egress {
namespace {

std::vector<Cidr> Ranges(const std::string& text) {
  auto list = ParseCidrList(text);
  EXPECT_TRUE(list.ok()) << list.status().ToString();
  return list.ok() ? *list : std::vector<Cidr>();
}

std::string Kind(const AddressClassifier& classifier, const std::string& text) {
  const auto address = IpAddress::Parse(text);
  if (!address) return "no address";
  const char* const kind = classifier.Forbidden(*address);
  return kind == nullptr ? "" : kind;
}

TEST(EgressAddress, EveryRangeIsKnownByItsEdges) {
  const std::pair<const char*, const char*> rows[] = {
      {"1.1.1.1", ""},
      {"8.8.8.8", ""},
      {"0.0.0.0", "this network"},
      {"0.255.255.255", "this network"},
      {"1.0.0.0", ""},
      {"9.255.255.255", ""},
      {"10.0.0.0", "private"},
      {"10.255.255.255", "private"},
      {"11.0.0.0", ""},
      {"100.63.255.255", ""},
      {"100.64.0.0", "carrier-grade NAT"},
      {"100.100.100.200", "metadata"},
      {"100.127.255.255", "carrier-grade NAT"},
      {"100.128.0.0", ""},
      {"126.255.255.255", ""},
      {"127.0.0.1", "loopback"},
      {"127.255.255.255", "loopback"},
      {"128.0.0.0", ""},
      {"168.63.129.16", "metadata"},
      {"169.253.255.255", ""},
      {"169.254.0.0", "link-local"},
      {"169.254.169.254", "metadata"},
      {"169.254.170.2", "metadata"},
      {"169.254.255.255", "link-local"},
      {"169.255.0.0", ""},
      {"172.15.255.255", ""},
      {"172.16.0.0", "private"},
      {"172.31.255.255", "private"},
      {"172.32.0.0", ""},
      {"192.0.0.8", "protocol assignment"},
      {"192.0.0.192", "metadata"},
      {"192.0.1.0", ""},
      {"192.0.2.1", "documentation"},
      {"192.88.99.1", "6to4 relay"},
      {"192.167.255.255", ""},
      {"192.168.0.1", "private"},
      {"192.169.0.0", ""},
      {"198.17.255.255", ""},
      {"198.18.0.0", "benchmarking"},
      {"198.19.255.255", "benchmarking"},
      {"198.20.0.0", ""},
      {"198.51.100.7", "documentation"},
      {"203.0.113.7", "documentation"},
      {"223.255.255.255", ""},
      {"224.0.0.1", "multicast"},
      {"239.255.255.255", "multicast"},
      {"240.0.0.1", "reserved"},
      {"255.255.255.254", "reserved"},
      {"255.255.255.255", "broadcast"},
      {"::", "unspecified"},
      {"::1", "loopback"},
      {"::2", "compatible IPv4"},
      {"::8.8.8.8", "compatible IPv4"},
      {"::ffff:8.8.8.8", "mapped IPv4"},
      {"::ffff:10.0.0.1", "mapped IPv4"},
      {"::ffff:0:8.8.8.8", "translated IPv4"},
      {"64:ff9b::8.8.8.8", "NAT64"},
      {"64:ff9b::a00:1", "NAT64"},
      {"64:ff9b:1::1", "local NAT64"},
      {"64:ff9b:2::1", "reserved"},
      {"100::1", "discard"},
      {"1fff::1", "reserved"},
      {"2001::1", "Teredo"},
      {"2001:0:4136:e378::", "Teredo"},
      {"2001:2::1", "benchmarking"},
      {"2001:10::1", "ORCHID"},
      {"2001:2f::1", "ORCHID"},
      {"2001:100::1", "protocol assignment"},
      {"2001:200::1", ""},
      {"2001:db8::1", "documentation"},
      {"2001:4860:4860::8888", ""},
      {"2002:a00:1::1", "6to4"},
      {"2002:808:808::1", "6to4"},
      {"2003::1", ""},
      {"2606:4700::1111", ""},
      {"3fff::1", "documentation"},
      {"3fff:1000::1", ""},
      {"4000::1", "reserved"},
      {"5f00::1", "reserved"},
      {"fc00::1", "unique local"},
      {"fd00:ec2::254", "metadata"},
      {"fdff::1", "unique local"},
      {"fe00::1", "reserved"},
      {"fe80::1", "link-local"},
      {"febf::1", "link-local"},
      {"fec0::1", "site-local"},
      {"ff02::1", "multicast"},
  };
  const AddressClassifier classifier;
  for (const auto& [address, kind] : rows) EXPECT_EQ(Kind(classifier, address), kind) << address;
}

TEST(EgressAddress, AnExceptionOpensOnlyWhatIsAsWide) {
  const struct {
    const char* exceptions;
    const char* address;
    const char* kind;
  } rows[] = {
      {"10.1.0.0/16", "10.1.2.3", ""},
      {"10.1.0.0/16", "10.2.2.3", "private"},
      {"10.0.0.0/8", "10.2.2.3", ""},
      {"0.0.0.0/0", "10.2.2.3", "private"},
      {"8.0.0.0/5", "10.2.2.3", "private"},
      {"10.0.0.0/8", "10.96.0.10", "cluster"},  // within the cluster's range below
      {"10.96.0.0/12", "10.96.0.10", ""},       // said as narrowly as the range itself
      {"10.96.0.10/32", "10.96.0.10", ""},
      {"10.96.0.10", "10.96.0.11", "cluster"},
      {"169.254.0.0/16", "169.254.169.254", "metadata"},
      {"169.254.0.0/16", "169.254.1.1", ""},
      {"169.254.169.254", "169.254.169.254", ""},
      {"127.0.0.0/8", "127.0.0.1", ""},
      {"127.0.0.0/8", "::1", "loopback"},
      {"::1/128", "::1", ""},
      {"::/0", "::1", "loopback"},
      {"::/0", "fd00::1", "unique local"},
      {"fd00::/8", "fd00::1", ""},
      {"fd00::/8", "fd00:ec2::254", "metadata"},
      {"203.0.113.0/24", "203.0.113.9", ""},
      // What an opened form of IPv6 holds is judged by itself.
      {"64:ff9b::/96", "64:ff9b::8.8.8.8", ""},
      {"64:ff9b::/96", "64:ff9b::10.0.0.1", "private"},
      {"64:ff9b::/96", "64:ff9b::169.254.169.254", "metadata"},
      {"64:ff9b::/96,10.0.0.0/8", "64:ff9b::10.0.0.1", ""},
      {"64:ff9b::/96,10.0.0.0/8", "64:ff9b::10.96.0.1", "cluster"},
      {"::ffff:0:0/96", "::ffff:127.0.0.1", "loopback"},
      {"2002::/16", "2002:7f00:1::", "loopback"},
      {"10.0.0.0/8", "::ffff:10.0.0.1", "mapped IPv4"},
  };
  for (const auto& row : rows) {
    const AddressClassifier classifier(Ranges(row.exceptions), Ranges("10.96.0.0/12,fd12::/64"));
    EXPECT_EQ(Kind(classifier, row.address), row.kind) << row.exceptions << " " << row.address;
  }
}

TEST(EgressAddress, ClusterRangesMayBePublic) {
  const AddressClassifier classifier({}, Ranges("52.1.0.0/16,2600:1f00::/32"));
  EXPECT_EQ(Kind(classifier, "52.1.2.3"), "cluster");
  EXPECT_EQ(Kind(classifier, "2600:1f00::9"), "cluster");
  EXPECT_EQ(Kind(classifier, "52.2.2.3"), "");
}

TEST(EgressAddress, ReadsOnlyTheUsualSpellings) {
  for (const char* text :
       {"127.1", "0177.0.0.1", "0x7f.0.0.1", "2130706433", "1.2.3.4.", " 1.2.3.4", "1.2.3.4 ",
        "fe80::1%eth0", "[::1]", "", "1.2.3", "1.2.3.256"}) {
    EXPECT_FALSE(IpAddress::Parse(text)) << text;
  }
  EXPECT_EQ(IpAddress::Parse("2001:DB8::1")->ToString(), "2001:db8::1");
  EXPECT_EQ(IpAddress::Parse("192.0.2.1")->ToString(), "192.0.2.1");
}

TEST(EgressAddress, RefusesBadRanges) {
  for (const char* text : {"10.0.0.0/33", "10.0.0.1/8", "::/129", "10.0.0.0/", "10.0.0.0/-1",
                           "10/8", "10.0.0.0/8 ", "10.0.0.0/8x", "a", "/8", "10.0.0.0/8,,::1"}) {
    EXPECT_FALSE(ParseCidrList(text).ok()) << text;
  }
  EXPECT_TRUE(Ranges("").empty());
  EXPECT_EQ(Ranges("10.0.0.0/8,fd00::/8,192.0.2.7").size(), 3u);
  EXPECT_TRUE(Ranges("0.0.0.0/0")[0].Contains(*IpAddress::Parse("255.0.0.1")));
  EXPECT_FALSE(Ranges("0.0.0.0/0")[0].Contains(*IpAddress::Parse("::1")));
}

}  // namespace
}  // namespace sandgate::egress
