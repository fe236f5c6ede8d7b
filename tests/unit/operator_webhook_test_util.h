// What the tests of the webhook share: a directory such as a mounted Secret.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace sandgate::op {

class SecretDirectory {
 public:
  SecretDirectory() {
    std::string pattern = testing::TempDir() + "webhookXXXXXX";
    EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
    path_ = pattern;
  }
  ~SecretDirectory() { std::filesystem::remove_all(path_); }
  SecretDirectory(const SecretDirectory&) = delete;
  SecretDirectory& operator=(const SecretDirectory&) = delete;

  const std::string& path() const { return path_; }
  // As the kubelet does: the old content or the new one, never a half.
  void Write(const std::string& name, const std::string& content) const {
    std::ofstream(path_ + "/." + name) << content;
    std::filesystem::rename(path_ + "/." + name, path_ + "/" + name);
  }

 private:
  std::string path_;
};

}  // namespace sandgate::op
