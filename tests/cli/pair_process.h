// A pair of running `ftvm` processes with the tiny guest, over Unix sockets in a folder, and their
// control sockets. Header only.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "ftcore/transport/control_client.h"
#include "tests/cli/process.h"

namespace ftvm::test {

class PairProcesses : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(::mkdir(folder_.file("arbiter").c_str(), 0700), 0); }

  /// Arguments of a node, `role` being the command and the name of its sockets.
  [[nodiscard]] std::vector<std::string> node(const std::string& role, const std::string& mode,
                                              const std::vector<std::string>& more) const {
    std::vector<std::string> args =
        tiny_guest(role, mode,
                   {"--channel", "ipc://" + folder_.file("channel"), "--arbiter",
                    "file:" + folder_.file("arbiter"), "--console",
                    "numbered:unix:" + console(role), "--control", control(role), "--diag",
                    folder_.file(role + ".diag"), "--detection", "1000"});
    args.insert(args.end(), more.begin(), more.end());
    return args;
  }
  [[nodiscard]] std::string console(const std::string& role) const { return folder_.file(role); }
  [[nodiscard]] std::string control(const std::string& role) const {
    return folder_.file(role + ".sock");
  }

  void start_primary(const std::string& mode, const std::vector<std::string>& more = {}) {
    primary_ = std::make_unique<Process>(node("primary", mode, more));
    ASSERT_TRUE(primary_->complains("primary: "));
  }
  void start_backup(const std::string& mode, const std::vector<std::string>& more = {}) {
    backup_ = std::make_unique<Process>(node("backup", mode, more));
    ASSERT_TRUE(backup_->complains("backup: channel"));
  }
  /// Both nodes and a client of both; returns when the guest has printed "ready" there.
  void start_pair(const std::string& mode, const std::vector<std::string>& more = {}) {
    start_primary(mode, more);
    start_backup(mode, more);
    start_client();
    ASSERT_TRUE(client_->prints("ready\n"));
  }
  void start_client() {
    client_ = std::make_unique<Process>(std::vector<std::string>{
        "console", "-v", "--connect", "unix:" + console("primary") + ",unix:" + console("backup")});
  }

  Result<std::string> ctl(const std::string& role, const std::string& command) const {
    return ftcore::control_call({.path = control(role), .command = command});
  }
  [[nodiscard]] nlohmann::json status(const std::string& role) const {
    const auto answer = ctl(role, "status");
    return answer ? nlohmann::json::parse(*answer) : nlohmann::json::object();
  }
  /// Asks again until the status is as wanted; false, and a failure, after a minute.
  bool until(const std::string& role, const std::function<bool(const nlohmann::json&)>& wanted) {
    constexpr int kTimes = 6000, kPauseMs = 10;
    nlohmann::json last;
    for (int i = 0; i < kTimes; ++i) {
      last = status(role);
      if (!last.empty() && wanted(last)) return true;
      ::poll(nullptr, 0, kPauseMs);
    }
    ADD_FAILURE() << role << " stays at " << last.dump();
    return false;
  }
  bool until_role(const std::string& node, const std::string& role) {
    return until(node, [&](const nlohmann::json& status) { return status["role"] == role; });
  }

  Folder folder_;
  std::unique_ptr<Process> primary_, backup_, client_;
};

}  // namespace ftvm::test
