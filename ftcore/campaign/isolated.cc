#include "ftcore/campaign/isolated.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "emulator/base/assert.h"
#include "emulator/base/diag.h"
#include "emulator/base/file.h"
#include "ftcore/campaign/tally_codec.h"

namespace ftvm::ftcore::campaign {
namespace {

constexpr std::size_t kTallyBytesMax = std::size_t{64} << 20;
constexpr std::size_t kWordsBytesMax = 4'096;

ByteView bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace

void Isolated::Unmap::operator()(IsolatedProgress* progress) const {
  (void)::munmap(progress, sizeof *progress);
}

Result<std::unique_ptr<Isolated>> Isolated::start(const Work& work) {
  auto self = std::unique_ptr<Isolated>(new Isolated);
  void* shared = ::mmap(nullptr, sizeof(IsolatedProgress), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return error_from_errno("mmap");
  self->progress_.reset(new (shared) IsolatedProgress);
  self->errors_.reset(::memfd_create("campaign", MFD_CLOEXEC));
  std::array<int, 2> ends{};
  if (!self->errors_ || ::pipe2(ends.data(), O_CLOEXEC) != 0) return error_from_errno("pipe");
  self->result_.reset(ends[0]);
  const ScopedFd result_fd(ends[1]);
  const pid_t parent = ::getpid();
  self->pid_ = ::fork();
  if (self->pid_ < 0) return error_from_errno("fork");
  if (self->pid_ == 0) self->live(work, result_fd.get(), parent);
  return self;
}

/// The life of the process. Ctrl-C in a terminal reaches it, too, and is the campaign's to answer.
void Isolated::live(const Work& work, int result_fd, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);
  (void)std::signal(SIGINT, SIG_IGN);
  (void)std::signal(SIGTERM, SIG_DFL);
  diag_configure(-1, DiagLevel::kError, "");
  (void)::dup2(errors_.get(), STDERR_FILENO);
  const std::string text = tally_json(work(*progress_));
  const Status written = write_all(result_fd, bytes_of(text));
  // No destructor of the campaign's runs twice.
  ::_exit(written ? 0 : 1);
}

Isolated::~Isolated() {
  if (pid_ <= 0) return;
  kill();
  (void)::waitpid(pid_, nullptr, 0);
}

void Isolated::kill() {
  if (pid_ > 0) (void)::kill(pid_, SIGKILL);
}

bool Isolated::read_some() {
  std::array<char, 65'536> buffer;
  const ssize_t got = ::read(result_.get(), buffer.data(), buffer.size());
  if (got < 0) return errno != EINTR && errno != EAGAIN;
  if (got == 0) return true;
  if (text_.size() > kTallyBytesMax) kill();  // Else it would wait for a reader for ever.
  text_.append(buffer.data(), static_cast<std::size_t>(got));
  return false;
}

std::string Isolated::last_words() const {
  std::string words(kWordsBytesMax, '\0');
  const ssize_t got = ::pread(errors_.get(), words.data(), words.size(), 0);
  words.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
  const std::string_view prefix = "ftvm: ";
  if (words.starts_with(prefix)) words.erase(0, prefix.size());
  return words.substr(0, words.find('\n'));
}

Isolated::Ended Isolated::ended() {
  FTVM_ASSERT(pid_ > 0);
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  Ended ended{.seed = progress_->seed.load()};
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
    Result<Tally> tally = parse_tally(text_);
    if (tally) {
      ended.tally = std::move(*tally);
      return ended;
    }
    ended.died = tally.error().message();
    return ended;
  }
  ended.died = WIFSIGNALED(status) ? std::string(::strsignal(WTERMSIG(status)))
                                   : "exit code " + std::to_string(WEXITSTATUS(status));
  const std::string words = last_words();
  if (!words.empty()) ended.died = words;
  return ended;
}

Result<Isolated::Ended> run_isolated(const Isolated::Work& work) {
  const std::unique_ptr<Isolated> process = FTVM_TRY(Isolated::start(work));
  while (!process->read_some()) {
  }
  return process->ended();
}

}  // namespace ftvm::ftcore::campaign
