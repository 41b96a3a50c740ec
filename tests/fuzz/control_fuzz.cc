// A control server and a client that says anything: every whole line is answered by one line of
// JSON, and the server is still there for the next client.
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "emulator/base/scoped_fd.h"
#include "ftcore/transport/control_path.h"
#include "ftcore/transport/control_server.h"

namespace {

using namespace ftvm;
using namespace ftvm::ftcore;

struct Node {
  Node() : folder(std::filesystem::temp_directory_path() / "ftvm_fuzz_XXXXXX") {
    if (::mkdtemp(folder.data()) == nullptr) std::abort();
    auto listening = ControlServer::listen(folder + "/control", [](auto command, auto args) {
      if (command == "status") return Result<std::string>(std::string(args));
      return Result<std::string>(Error(ErrorCode::kUsage, "no command " + std::string(command)));
    });
    if (!listening) std::abort();
    server = *std::move(listening);
  }
  ~Node() {
    server.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }
  std::string folder;
  std::unique_ptr<ControlServer> server;
};

/// Everything the server says until it has nothing more to do.
std::string talk(Node& node, std::string_view text) {
  const ScopedFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const sockaddr_un address = *control_address(node.folder + "/control");
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    std::abort();
  }
  std::string replies;
  char buffer[4096];
  for (int idle = 0; idle < 3;) {
    const ssize_t sent = ::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL);
    if (sent > 0) text.remove_prefix(static_cast<std::size_t>(sent));
    node.server->poll();
    const ssize_t got = ::recv(fd.get(), buffer, sizeof buffer, 0);
    if (got > 0) replies.append(buffer, static_cast<std::size_t>(got));
    if (got == 0 || (got < 0 && errno != EAGAIN)) break;
    idle = got > 0 || sent > 0 ? 0 : idle + 1;
  }
  return replies;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Node node;
  const std::string text(reinterpret_cast<const char*>(data), std::min<std::size_t>(size, 32768));
  std::string replies = talk(node, text);
  if (std::count(replies.begin(), replies.end(), '\n') !=
      std::count(text.begin(), text.end(), '\n')) {
    std::abort();
  }
  while (!replies.empty()) {
    const std::size_t end = replies.find('\n');
    const auto reply = nlohmann::json::parse(replies.substr(0, end), nullptr, false);
    if (!reply.is_object() || !reply.contains("ok")) std::abort();
    replies.erase(0, end + 1);
  }
  if (talk(node, "{\"command\":\"status\"}\n") != "{\"ok\":true,\"result\":{}}\n") std::abort();
  return 0;
}
