"""Pairs of real nodes, as the rig starts them, with the console client read by the measuring thread;
and a lone node, which is the same program on the same path without a backup."""
import contextlib
import shutil
import signal
import threading
import time

import pair as rig_pair
from console import BenchError, Console, pump
from pair import Failure, Node
from systems import BOOT_S, PROMPT
from wire_proxy import DOWN, UP

SAMPLE_S = 0.05


def console_client(bench, *addresses):
    nodes = ",".join(f"{host}:{port}" for host, port in addresses)
    return Console([bench.ftvm, "console", "--connect", nodes])


@contextlib.contextmanager
def closed_on_failure(processes):
    """What does not come up does not stay, and says why like every other error of a figure."""
    try:
        yield
    except BaseException as failure:
        processes.close()
        if isinstance(failure, Failure):
            raise BenchError(str(failure)) from failure
        raise


class BenchPair(rig_pair.Pair):
    """Primary, backup and client, from the snapshot. Without `relayed` nothing stands between them,
    and the relay does not even run."""

    def __init__(self, bench, relayed=False, extra=(), hosts=None):
        super().__init__(bench.setup_with_snapshot(), bench.new_folder("pair"))
        self.bench, self.extra, self.console = bench, extra, None
        if not relayed:
            self.relay.close()
            self.channel_seen = self.channel
        with closed_on_failure(self):
            if hosts:
                self.start_on(hosts)
            else:
                self.start_primary(extra=extra)
                self.start_backup(extra=extra)
            addresses = [node.console for node in (self.primary, self.backup)]
            if relayed:
                addresses = [("127.0.0.1", self.relay.add(f"console-{node.role}", node.console))
                             for node in (self.primary, self.backup)]
            self.console = console_client(bench, *addresses)
            self.console.type("\n")  # The prompt itself was printed before the snapshot.
            self.console.wait(PROMPT, BOOT_S)

    def start_on(self, hosts):
        """Each node in its host's network namespace."""
        for host, (role, address) in enumerate((("primary", "10.231.1.1:7500"), ("backup", "10.231.2.1:7500"))):
            node = Node(role, self.folder,
                        self.arguments(role, ("10.231.0.1", 7400), ["--insecure", *self.extra]),
                        console=address, prefix=hosts.prefix(host))
            setattr(self, role, node)
            node.wait_console()

    def status(self):
        """Of a primary that must be protected all the time: a pair that has fallen apart measures
        something else."""
        try:
            status = self.primary.ctl("status")
        except Failure as failure:
            raise BenchError(f"{failure}; {self.primary.errors.strip()[-200:]}") from failure
        if status["role"] != "primary":
            raise BenchError(f"the pair fell apart: the primary is {status['role']}, {status['peer']}; "
                             f"the backup said {self.backup.errors.strip()[-200:]!r}")
        return status

    def sample(self, seconds, skip=0):
        """`ctl status` about twenty times a second; those of the first `skip` seconds are left out."""
        began, found = time.monotonic(), []
        while (now := time.monotonic()) - began < seconds:
            status = self.status()
            if now - began >= skip:
                found.append({**status, "sampled_at": (now + time.monotonic()) / 2})
            pump([self.console], SAMPLE_S)
        return found

    def channel_bytes(self):
        """So far, from and to the primary."""
        return tuple(sum(len(piece) for capture in self.relay.of("channel", direction)
                         for _, _, piece in list(capture.pieces)) for direction in (DOWN, UP))

    def close(self):
        if self.console:
            self.console.end(signal.SIGKILL)
        super().close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class LoneNode:
    """`ftvm primary --alone`: the same console, client and record keeping, but its outputs leave at
    once. A plain run has no numbered console, so this is the nearest thing that is unprotected."""

    def __init__(self, bench):
        folder = bench.new_folder("lone")
        (folder / "arbiter").mkdir()
        self.console = None
        self.node = Node("primary", folder, [
            bench.ftvm, "primary", "--alone", *bench.setup_with_snapshot().machine(), "--channel",
            f"127.0.0.1:{rig_pair.free_port()}", "--arbiter", f"file:{folder / 'arbiter'}"])
        with closed_on_failure(self):
            self.console = console_client(bench, self.node.wait_console())
            self.console.type("\n")
            self.console.wait(PROMPT, BOOT_S)

    def close(self):
        if self.console:
            self.console.end(signal.SIGKILL)
        if self.node.alive:
            self.node.kill()
        self.node.wait_exit()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Throttle:
    """Stops and continues a process all the time, so that it runs `run_ms` of each `run_ms + stop_ms`.
    `share` says what it came to: this host's sleeps are longer than they are asked to be."""

    def __init__(self, node, run_ms, stop_ms):
        self.node, self.run_s, self.stop_s = node, run_ms / 1000, stop_ms / 1000
        self.ran = self.stopped = 0.0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def _work(self):
        continued = time.monotonic()
        while not self._ending.is_set() and self.node.alive:
            self.node.send(signal.SIGSTOP)
            stopped = time.monotonic()
            self.ran += stopped - continued
            time.sleep(self.stop_s)
            self.node.send(signal.SIGCONT)
            continued = time.monotonic()
            self.stopped += continued - stopped
            time.sleep(self.run_s)

    @property
    def share(self):
        return self.ran / (self.ran + self.stopped) if self.stopped else 1.0

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ending.set()
        self._thread.join()
