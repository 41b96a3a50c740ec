// What `ftvm ctl` can ask of a running node.
#include <nlohmann/json.hpp>

#include "ftcore/cli/pair_setup.h"
#include "ftcore/protocol/backup_session.h"
#include "ftcore/protocol/primary_session.h"

namespace ftvm::cli {
namespace {

using nlohmann::json;

template <class Metrics>
json status_of(const Metrics& m) {
  json status{{"role", std::string(ftcore::role_name(m.role))},
              {"epoch", m.epoch.value},
              {"paused", m.paused},
              {"peer", std::string(m.peer.why)},
              {"outputs_held", m.gate.held},
              {"outputs_held_bytes", m.gate.held_bytes},
              {"outputs_released", m.gate.released},
              {"outputs_forgotten", m.gate.forgotten},
              {"confirmed", m.confirmed.value},
              {"messages_ignored", m.core.ignored}};
  if constexpr (requires { m.lag; }) {
    status["duty"] = m.duty;
    status["execution_lag_ms"] = m.lag.execution_lag_ms;
    status["send_to_ack_ms"] = m.lag.send_to_ack_ms;
    status["unacknowledged_bytes"] = m.unacknowledged_bytes;
    status["recorded"] = m.recorded.value;
    status["accepted"] = m.accepted.value;
    status["tick"] = m.progress.value;
    status["backup_tick"] = m.executed.value;
  } else {
    status["accepted"] = m.accepted.value;
    status["consumed"] = m.consumed.value;
    status["tick"] = m.executed.value;
    status["limit"] = m.limit.value;
    status["execution_lag_ms"] = m.execution_lag_ms;
  }
  return status;
}

std::string status_text(const ftcore::Session& session) {
  if (const auto* primary = dynamic_cast<const ftcore::PrimarySession*>(&session)) {
    return status_of(primary->metrics()).dump();
  }
  return status_of(dynamic_cast<const ftcore::BackupSession&>(session).metrics()).dump();
}

Result<std::string> handle(ftcore::Node& node, devices::host::LiveWorld& world,
                           std::string_view command) {
  if (command == "status") {
    return node.inspect(status_text);
  }
  if (command == "pause" || command == "resume") {
    if (!node.inspect([](const ftcore::Session& session) { return session.can_pause(); })) {
      return Error(ErrorCode::kUsage, "this node is not live; ask the one that is");
    }
    node.pause(command == "pause");
    return std::string("{}");
  }
  if (command == "stop") {
    world.request_stop(EndReason::kStopped);
    return std::string("{}");
  }
  if (command == "failover") {
    if (!node.inspect([](const ftcore::Session& session) { return session.can_hand_over(); })) {
      return Error(ErrorCode::kUsage, "there is no backup in sync to hand over to");
    }
    world.request_stop(EndReason::kHandOver);
    return std::string("{}");
  }
  return Error(ErrorCode::kUsage, "no command '" + std::string(command) +
                                      "'; there are status, pause, resume, stop and failover");
}

}  // namespace

Status open_control(const Options& options, ftcore::Node& node, devices::host::LiveWorld& world) {
  if (options.control.empty()) return {};
  auto server = ftcore::ControlServer::listen(
      options.control, [&node, &world](std::string_view command, std::string_view) {
        return handle(node, world, command);
      });
  if (!server) return std::move(server).error().context("--control");
  node.set_control(std::move(*server));
  return {};
}

}  // namespace ftvm::cli
