"""A pair of real ftvm processes on loopback, a console client, and a relay on each wire between
them. It starts, waits, kills and collects; what all that should look like is rig.py's to say."""
import dataclasses
import json
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "rig"), str(ROOT / "examples" / "debian")]

import wire_proxy  # noqa: E402

PROMPT = "guest:"
# Not in the past: a guest that starts from a snapshot catches up, at some 80 instructions a second.
RTC = str(int(time.time()))
BOOT_S = 240
START_S = 20
EXIT_S = 15


class Failure(Exception):
    """The pair did something that it must not do."""


@dataclasses.dataclass
class Setup:
    """What all runs of one rig have in common."""
    ftvm: str
    kernel: str
    initramfs: str
    snapshot: str = None
    start_offset: int = 0  # Console bytes before the snapshot.
    rtc: str = RTC         # When the guest was powered on.

    def machine(self, snapshot=True):
        arguments = ["--kernel", self.kernel, "--initramfs", self.initramfs, "--rtc", self.rtc]
        return arguments + (["--snapshot", self.snapshot] if snapshot and self.snapshot else [])


def free_port(host="127.0.0.1"):
    """Below the range from which the kernel picks: nobody gets it by chance in the meantime."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind((host, port))
            except OSError:
                continue
        return port


class Transcript:
    """What a console client has shown so far, with the time of each piece."""

    def __init__(self, stream):
        self.pieces, self.data, self.ended = [], b"", False
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self.thread.start()

    def _read(self, stream):
        while piece := os.read(stream.fileno(), 65536):
            with self.changed:
                self.pieces.append((time.monotonic(), piece))
                self.data += piece
                self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    @property
    def text(self):
        return self.data.decode(errors="replace")

    def wait(self, pattern, seconds, what):
        deadline = time.monotonic() + seconds
        with self.changed:
            while not re.search(pattern, self.text, re.M):
                left = deadline - time.monotonic()
                if left <= 0 or self.ended:
                    raise Failure(f"{what} did not come within {seconds} s; the console ends with "
                                  f"{self.text[-120:]!r}")
                self.changed.wait(min(left, 1))
        return time.monotonic()


class Node:
    """One ftvm primary or backup."""

    def __init__(self, role, folder, arguments, environment=None, console="127.0.0.1:0", prefix=()):
        self.role, self.folder = role, folder
        self.diag_path = folder / f"{role}.diag"
        self.control = str(folder / f"{role}.sock")
        self.command = [*prefix, *arguments, "--console", f"numbered:{console}", "--diag",
                        str(self.diag_path), "--diag-level", "debug", "--name", role,
                        "--control", self.control]
        self.errors, self.console, self.exited_at = "", None, None
        self._told = threading.Condition()
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, text=True,
                                        env={**os.environ, **(environment or {})})
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        threading.Thread(target=self._reap, daemon=True).start()

    def _read(self):
        with open(self.folder / f"{self.role}.err", "w", encoding="utf-8") as copy:
            for line in self.process.stderr:
                copy.write(line)
                copy.flush()
                with self._told:
                    self.errors += line
                    if line.startswith("console: numbered:"):
                        host, port = line.strip().rsplit(":", 1)
                        self.console = (host.rsplit(":", 1)[1], int(port))
                    self._told.notify_all()

    def _reap(self):
        self.process.wait()
        with self._told:
            self.exited_at = time.monotonic()
            self._told.notify_all()

    def wait_console(self):
        deadline = time.monotonic() + START_S
        with self._told:
            while self.console is None:
                left = deadline - time.monotonic()
                if left <= 0 or self.exited_at:
                    raise Failure(f"the {self.role} did not start: {self.errors.strip()!r}")
                self._told.wait(min(left, 0.5))
        return self.console

    @property
    def alive(self):
        return self.exited_at is None

    @property
    def pid(self):
        return self.process.pid

    def send(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.send(signal.SIGKILL)
        return time.monotonic()

    def wait_exit(self, seconds=EXIT_S):
        """The exit code; a negative one is a signal's number."""
        deadline = time.monotonic() + seconds
        with self._told:
            while self.exited_at is None:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise Failure(f"the {self.role} did not end within {seconds} s")
                self._told.wait(left)
        self._reader.join(2)
        return self.process.returncode

    def expect_exit(self, code, message=None, seconds=EXIT_S):
        found = self.wait_exit(seconds)
        if found != code:
            raise Failure(f"the {self.role} ended with {found}, not {code}: {self.errors[-400:]!r}")
        if message and not re.search(message, self.errors):
            raise Failure(f"the {self.role} does not say {message!r} but {self.errors[-400:]!r}")

    def ctl(self, command, seconds=5):
        """One command over the control socket; the protocol of ftvm ctl."""
        with socket.socket(socket.AF_UNIX) as door:
            door.settimeout(seconds)
            try:
                door.connect(self.control)
                door.sendall(json.dumps({"command": command, "args": {}}).encode() + b"\n")
                answer = b""
                while not answer.endswith(b"\n"):
                    piece = door.recv(65536)
                    if not piece:
                        break
                    answer += piece
            except OSError as error:
                raise Failure(f"ctl {command} to the {self.role}: {error}") from error
        parsed = json.loads(answer or b"{}")
        if not parsed.get("ok"):
            raise Failure(f"ctl {command} to the {self.role}: {parsed.get('error')}")
        return parsed["result"]

    def role_now(self):
        """As the node itself says; None when it is gone."""
        if not self.alive:
            return None
        try:
            return self.ctl("status", 2)["role"]
        except Failure:
            with self._told:  # The door of a node that ends is gone a little before its process.
                if self._told.wait_for(lambda: self.exited_at is not None, 1):
                    return None
            raise

    def wait_role(self, *wanted, seconds=EXIT_S):
        """The first of these roles that it takes; a process that has ended is "halted"."""
        deadline = time.monotonic() + seconds
        while (role := self.role_now() or "halted") not in wanted:
            if time.monotonic() > deadline:
                raise Failure(f"after {seconds} s the {self.role} is {role}, not {' or '.join(wanted)}")
            time.sleep(0.02)
        return role

    def events(self, *names):
        """Diag events in order; a torn last line of a killed node is left out."""
        found = []
        if self.diag_path.exists():
            for line in self.diag_path.read_text(errors="replace").splitlines():
                try:
                    event = json.loads(line)
                except ValueError:
                    continue
                if not names or event.get("event") in names:
                    found.append(event)
        return found

    def memory_kib(self):
        try:
            text = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        except OSError:
            return 0
        return int(re.search(r"VmRSS:\s+(\d+)", text)[1])

    def ports(self):
        """Open (tcp listening, udp) ports of the process, from the kernel."""
        inodes = set()
        for link in pathlib.Path(f"/proc/{self.pid}/fd").iterdir():
            try:
                target = os.readlink(link)
            except OSError:
                continue
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
        return (self._ports("tcp", "0A", inodes) + self._ports("tcp6", "0A", inodes),
                self._ports("udp", None, inodes) + self._ports("udp6", None, inodes))

    def _ports(self, table, state, inodes):
        found = []
        for line in pathlib.Path(f"/proc/{self.pid}/net/{table}").read_text().splitlines()[1:]:
            parts = line.split()
            if parts[9] in inodes and state in (None, parts[3]):
                found.append(int(parts[1].rsplit(":", 1)[1], 16))
        return found


class Client:
    """The real console client, through the relay."""

    def __init__(self, ftvm, folder, addresses, prefix=()):
        self._errors = open(folder / "client.err", "w", encoding="utf-8")
        nodes = ",".join(f"{host}:{port}" for host, port in addresses)
        self.process = subprocess.Popen([*prefix, ftvm, "console", "-v", "--connect", nodes],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self._errors)
        self.transcript = Transcript(self.process.stdout)

    def type(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.transcript.thread.join(2)
        self._errors.close()


class Pair:
    """Primary, backup, client; every wire but the heartbeats goes through the relay."""

    def __init__(self, setup, folder):
        self.setup, self.folder = setup, folder
        self.relay = wire_proxy.Relay()
        self.arbiter = folder / "arbiter"
        self.arbiter.mkdir()
        self.channel = ("127.0.0.1", free_port())
        self.channel_seen = ("127.0.0.1", self.relay.add("channel", self.channel))
        self.primary = self.backup = self.client = None
        self.others = []

    def arguments(self, role, channel, extra=(), snapshot=True, arbiter=None):
        return [self.setup.ftvm, role, *self.setup.machine(snapshot), "--channel", f"{channel[0]}:{channel[1]}",
                "--arbiter", f"file:{arbiter or self.arbiter}", *extra]

    def start_primary(self, environment=None, extra=(), prefix=()):
        self.primary = Node("primary", self.folder, self.arguments("primary", self.channel, extra),
                            environment, prefix=prefix)
        self.primary.wait_console()

    def start_backup(self, environment=None, extra=()):
        self.backup = Node("backup", self.folder, self.arguments("backup", self.channel_seen, extra),
                           environment)
        self.backup.wait_console()

    def start_other(self, role, name, channel, extra=(), **options):
        """A third node; `name` names its files."""
        folder = self.folder / name
        folder.mkdir()
        node = Node(role, folder, self.arguments(role, channel, extra, **options))
        self.others.append(node)
        return node

    def start_client(self):
        ports = [self.relay.add(f"console-{node.role}", node.console)
                 for node in (self.primary, self.backup) if node]
        self.client = Client(self.setup.ftvm, self.folder, [("127.0.0.1", port) for port in ports])

    def start(self, primary=None, backup=None, primary_extra=(), backup_extra=(), primary_prefix=()):
        """`primary` and `backup` are environments; `primary_prefix`: the command that starts ftvm."""
        self.start_primary(primary, primary_extra, primary_prefix)
        self.start_backup(backup, backup_extra)
        self.start_client()

    def wait_prompt(self):
        if self.setup.snapshot:
            self.client.type("\n")  # The prompt itself was printed before the snapshot.
        return self.client.transcript.wait(re.escape(PROMPT), BOOT_S, "the guest's prompt")

    def nodes(self):
        return [node for node in (self.primary, self.backup, *self.others) if node]

    def close(self):
        for node in self.nodes():
            if node.alive:
                node.send(signal.SIGCONT)
                node.kill()
        for node in self.nodes():
            node.wait_exit()
        if self.client:
            self.client.stop()
        self.relay.close()
        if self.client:
            (self.folder / "client.out").write_bytes(self.client.transcript.data)
        for capture in [each for each in self.relay.captures if each.pieces]:
            name = f"{capture.route}.{capture.connection}.{capture.direction}.bytes"
            (self.folder / name).write_bytes(capture.data())
