"""A process whose console is on its standard input and output, read by the thread that waits for
it: no reader thread takes time from what is measured, and each piece has the time it came.

It serves for ftvm and QEMU with their console on stdio, and for the client of a pair."""
import bisect
import os
import resource
import select
import signal
import subprocess
import tempfile
import time

READ_BYTES = 64 << 10
END_S = 30


class BenchError(Exception):
    """Something did not happen; says what, and what was seen instead."""


def cpu_seconds(pid):
    """Processor time of a process, threads that have ended included, to the nanosecond.
    Source: clock_getcpuclockid(3), whose clock numbers are made like this."""
    return time.clock_gettime((~pid << 3) | 2)


def peak_kib(pid):
    """Largest resident size so far."""
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    raise BenchError(f"process {pid} has no VmHWM: it has ended")


class Console:
    def __init__(self, command):
        self.command, self.data = command, bytearray()
        self.piece_ends, self.piece_times = [], []  # Of each piece: offset behind it, when it came.
        self.usage, self.ended = None, False
        self._errors = tempfile.TemporaryFile()
        self.started = time.monotonic()
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self._errors)
        self.output = self.process.stdout.fileno()
        self.input = self.process.stdin.fileno()
        os.set_blocking(self.output, False)

    @property
    def pid(self):
        return self.process.pid

    def type(self, text):
        """Returns when it was typed, and from which offset on its effect can be seen."""
        since = len(self.data)
        now = time.monotonic()
        try:
            os.write(self.input, text.encode())
        except BrokenPipeError as error:
            raise BenchError(f"{self}: nobody reads what is typed") from error
        return now, since

    def take(self):
        """Reads what is there."""
        while not self.ended:
            try:
                piece = os.read(self.output, READ_BYTES)
            except BlockingIOError:
                return
            if not piece:
                self.ended = True
                return
            self.data += piece
            self.piece_ends.append(len(self.data))
            self.piece_times.append(time.monotonic())

    def time_of(self, offset):
        """When the byte before `offset` came."""
        return self.piece_times[bisect.bisect_left(self.piece_ends, offset)]

    def times_of(self, marker, since):
        """When each of these had come."""
        times = []
        while (found := self.data.find(marker, since)) >= 0:
            since = found + len(marker)
            times.append(self.time_of(since))
        return times

    def wait(self, marker, seconds, since=0):
        return wait_all([(self, marker, since)], seconds)[0]

    def __str__(self):
        return " ".join(str(each) for each in self.command[:3]) + " ..."

    def story(self):
        """For messages: the end of what it printed."""
        self._errors.seek(0)
        said = self._errors.read()[-300:].decode(errors="replace").strip()
        return (f"its console ends with {bytes(self.data[-200:]).decode(errors='replace')!r}"
                + (f", it said {said!r}" if said else ""))

    def end(self, number=signal.SIGTERM, seconds=END_S):
        """Ends the process if it still runs, and returns its resource usage."""
        if self.usage is None:
            try:
                if number:
                    self.process.send_signal(number)
                self._wait_end(seconds)
            except BaseException:
                self.process.kill()
                self._reap(0)
                raise
        return self.usage

    def _wait_end(self, seconds):
        deadline = time.monotonic() + seconds
        while not self.ended:
            left = deadline - time.monotonic()
            if left <= 0:
                raise BenchError(f"{self} did not end within {seconds} s; {self.story()}")
            select.select([self.output], [], [], left)
            self.take()
        while not self._reap(os.WNOHANG):
            if time.monotonic() > deadline:
                raise BenchError(f"{self} closed its console but did not end within {seconds} s")
            time.sleep(0.002)

    def _reap(self, options):
        try:
            pid, status, self.usage = os.wait4(self.pid, options)
        except ChildProcessError:  # An interrupt came between the end of wait4 and the next line.
            pid, status, self.usage = self.pid, 0, resource.getrusage(resource.RUSAGE_CHILDREN)
        if pid == 0:
            self.usage = None
            return False
        self.process.returncode, self.ended = os.waitstatus_to_exitcode(status), True
        self.process.stdin.close()
        self.process.stdout.close()
        self._errors.close()
        return True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end(signal.SIGKILL)


def pump(consoles, seconds):
    """Lets time pass while consoles are read."""
    deadline = time.monotonic() + seconds
    while True:
        left = max(0.0, deadline - time.monotonic())
        open_ones = [each.output for each in consoles if not each.ended]
        ready = select.select(open_ones, [], [], left)[0]
        for each in consoles:
            if not each.ended and each.output in ready:
                each.take()
        if left == 0:
            return


def wait_all(wanted, seconds):
    """`wanted`: (console, marker, offset to look from). Returns when each marker was complete."""
    deadline = time.monotonic() + seconds
    consoles = [console for console, _, _ in wanted]
    found = [None] * len(wanted)
    looked = [since for _, _, since in wanted]
    while True:
        for index, (console, marker, since) in enumerate(wanted):
            if found[index] is not None:
                continue
            at = console.data.find(marker, looked[index])
            if at >= 0:
                found[index] = console.time_of(at + len(marker))
            elif console.ended:
                raise BenchError(f"{console} ended before '{marker.decode()}' came; {console.story()}")
            else:
                looked[index] = max(since, len(console.data) - len(marker))
        if None not in found:
            return found
        left = deadline - time.monotonic()
        if left <= 0:
            missing = wanted[found.index(None)]
            raise BenchError(f"{missing[0]}: '{missing[1].decode()}' did not come within {seconds} s; "
                             + missing[0].story())
        ready = select.select([each.output for each in consoles if not each.ended], [], [], left)[0]
        for console in consoles:
            if not console.ended and console.output in ready:
                console.take()


def end_children():
    """Kills what is left of this process's own children; returns how many there were."""
    own, left = os.getpid(), []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                state, parent = file.read().rsplit(")", 1)[1].split()[:2]
        except OSError:
            continue
        if int(parent) == own and state != "Z":
            left.append(int(name))
    for pid in left:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    return len(left)
