// The operator's door to a running node: a Unix socket, mode 0600, on which each line is one JSON
// object and is answered by one line.
//
//   -> {"command":"status","args":{"verbose":true}}
//   <- {"ok":true,"result":{"role":"primary"}}
//   <- {"ok":false,"error":{"code":"usage","message":"no command 'stauts'"}}
//
// What a command means is the handler's business. Everything happens within poll(), on the caller's
// thread, and nothing blocks: a client that neither reads nor writes costs a slot and nothing else.
//
// Source: unix(7); RFC 8259 (JSON).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "emulator/base/result.h"
#include "emulator/base/scoped_fd.h"

namespace ftvm::ftcore {

/// A request without its newline, a reply with all but its newline. Units: bytes.
inline constexpr std::size_t kControlRequestBytesMax = std::size_t{64} << 10;
inline constexpr std::size_t kControlReplyBytesMax = std::size_t{4} << 20;
inline constexpr std::size_t kControlClientsMax = 16;

class ControlServer {
 public:
  /// Does the command and returns its result as JSON text. `args` is the text of a JSON object,
  /// "{}" when the request had none. An error becomes an {"ok":false} reply.
  using Handler =
      std::function<Result<std::string>(std::string_view command, std::string_view args)>;

  /// Takes the path over when the process that made the socket is gone. A file `path`.lock stays
  /// behind; it keeps two servers from doing that at once. Errors: kUsage when the path is too
  /// long, is no socket, or belongs to a live process (which is named); kNotFound for the folder;
  /// kIo.
  static Result<std::unique_ptr<ControlServer>> listen(const std::string& path, Handler handler);
  /// Removes the socket.
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

  /// Readable when poll() has something to do. Lifetime: owned by the server.
  [[nodiscard]] int descriptor() const { return epoll_.get(); }

  /// Does what is ready and returns; call it again while the descriptor is readable.
  void poll();

  [[nodiscard]] std::size_t client_count() const { return clients_.size(); }

 private:
  struct Client {
    ScopedFd fd;
    std::string in;        // Not yet a whole line.
    std::string out;       // Not yet written; while there is any, no further request is looked at.
    bool closing = false;  // Ends when `out` is written.
  };

  ControlServer(std::string path, Handler handler);
  Status bind_path();
  void accept_some();
  /// False when the client is to be forgotten.
  bool serve(Client& client);
  bool read_some(Client& client, bool& ended);
  void answer_lines(Client& client);
  bool write_some(Client& client);
  bool watch(const Client& client, int operation);
  [[nodiscard]] std::string answer(std::string_view line) const;

  std::string path_;
  Handler handler_;
  ScopedFd lock_;
  ScopedFd listener_;
  bool bound_ = false;
  ScopedFd epoll_;
  std::map<int, Client> clients_;  // By descriptor.
};

}  // namespace ftvm::ftcore
