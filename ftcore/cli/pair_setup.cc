#include "ftcore/cli/pair_setup.h"

#include <cstdio>

#include "ftcore/arbiter/arbiter.h"
#include "ftcore/cli/command.h"
#include "ftcore/cli/live_run.h"
#include "ftcore/transport/channel_address.h"
#include "ftcore/transport/secret.h"
#include "ftcore/transport/zmq_channel.h"

namespace ftvm::cli {
namespace {

constexpr const char* kNumberedPrefix = "numbered:";
/// Where the heartbeats go of two nodes whose channel is a Unix socket.
constexpr const char* kLoopback = "127.0.0.1";

}  // namespace

Result<PairConsole> make_pair_console(const Options& options) {
  const std::string text = options.console.empty() ? "numbered:127.0.0.1:0" : options.console;
  PairConsole console;
  if (!text.starts_with(kNumberedPrefix)) {
    console.endpoint = FTVM_TRY(make_console(text));
    return console;
  }
  auto address =
      devices::host::parse_socket_address(text.substr(std::string(kNumberedPrefix).size()));
  if (!address) return std::move(address).error().context("--console");
  auto numbered = devices::host::NumberedConsole::create(
      {.address = *address, .hub = {.pair = options.pair.name}});
  if (!numbered) return std::move(numbered).error().context("--console");
  console.numbered = numbered->get();
  std::fprintf(stderr, "console: numbered:%s\n",
               devices::host::to_string(console.numbered->address()).c_str());
  console.endpoint = std::move(*numbered);
  return console;
}

Result<PairParts> make_pair_parts(const Options& options, ftcore::HeartbeatSide side) {
  if (options.pair.alone) return PairParts{};  // Nobody to talk to, and nobody to ask.
  if (2 * options.pair.heartbeat_ms > options.pair.detection_ms) {
    return Error(ErrorCode::kUsage, "--detection " + std::to_string(options.pair.detection_ms) +
                                        " is less than two heartbeats of --heartbeat " +
                                        std::to_string(options.pair.heartbeat_ms) + " ms");
  }
  if (options.pair.arbiter.empty()) {
    return Error(ErrorCode::kUsage,
                 "no --arbiter given: both nodes need storage they share, "
                 "for example --arbiter file:/shared/arbiter");
  }
  auto address = ftcore::parse_channel_address(options.pair.channel);
  if (!address) return std::move(address).error().context("--channel");
  ftcore::ZmqChannelOptions channel{.address = *address, .insecure = options.pair.insecure};
  if (!options.pair.key.empty()) channel.key = FTVM_TRY(ftcore::load_pair_key(options.pair.key));
  PairParts made;
  auto opened = side == ftcore::HeartbeatSide::kPrimary ? ftcore::ZmqChannel::listen(channel)
                                                        : ftcore::ZmqChannel::connect(channel);
  if (!opened) return std::move(opened).error().context("--channel");
  made.parts.channel = std::move(*opened);
  const bool one_host = address->kind == ftcore::ChannelAddress::Kind::kIpc;
  made.parts.peer_host = one_host ? kLoopback : address->host;
  const std::string bind_host = address->is_ipv6()       ? "::"
                                : address->is_loopback() ? made.parts.peer_host
                                                         : "0.0.0.0";
  made.parts.heartbeats = FTVM_TRY(ftcore::HeartbeatLink::open({.bind = {bind_host, 0}}));
  made.heartbeat_port = made.parts.heartbeats->port();
  auto arbiter = ftcore::make_arbiter(options.pair.arbiter);
  if (!arbiter) return std::move(arbiter).error().context("--arbiter");
  made.parts.arbiter = FTVM_TRY(ftcore::ArbiterThread::start(std::move(*arbiter), {}));
  made.arbiter = made.parts.arbiter->describe();
  return made;
}

Status reopen_journal(Options options, const GuestMachine& guest,
                      std::unique_ptr<replay::JournalWriter>& journal) {
  if (journal == nullptr) return {};
  FTVM_TRY(journal->end());
  options.overwrite = true;
  journal = FTVM_TRY(open_journal(options, guest));
  return {};
}

int report_node_end(const char* role, const RunResult& result, const Machine& machine,
                    const std::string& note) {
  std::fprintf(stderr, "%s ", role);
  print_end(result, machine, true);
  if (!note.empty()) std::fprintf(stderr, "%s: %s\n", role, note.c_str());
  return exit_code_of(result);
}

}  // namespace ftvm::cli
