"""Figures of the moment when a primary is gone: how long its console stands still."""
import os
import re
import signal
import subprocess
import time

import hosts
from console import BenchError, Console, pump
from pairs import BenchPair
from systems import BOOT_S, PROMPT, do_job

LINES_BEFORE = 300   # Printed before anything happens to the primary.
LINES_AFTER = 200    # Seen from the survivor; more than can be on the way at any moment.
RESUME_S = 30
LINE = re.compile(rb"^n(\d+)\r?\n", re.M)


def kill(bench):
    """SIGKILL of the primary until the client has the first byte that it had not, for a guest that
    prints about each millisecond."""
    delay = line_delay(bench)
    gaps, rates = [], []
    for index in range(bench.o.kills):
        bench.progress(f"kill {index + 1} of {bench.o.kills}")
        with BenchPair(bench, extra=["--detection", str(bench.o.detection)]) as pair:
            rates.append(print_lines(pair.console, delay, index))
            killed = pair.primary.kill()
            gaps.append(1000 * gap_after(pair.console, killed))
    bench.row(f"kill to output, {bench.o.detection} ms detection", gaps, "ms", "<= 500", note=rate_note(rates))


def host_lost(bench):
    """The same when the primary's host is gone: its links go down and it dies at one moment, so that no
    closing connection tells anybody."""
    if os.geteuid() != 0:
        raise hosts.Skipped("network namespaces need root")
    delay = line_delay(bench)
    gaps, rates = [], []
    for index in range(bench.o.kills):
        bench.progress(f"host {index + 1} of {bench.o.kills}")
        net = hosts.Namespaces(f"{time.monotonic_ns() // 1000 % 1000000}")
        try:
            net.make()
            with BenchPair(bench, extra=["--detection", str(bench.o.host_detection)], hosts=net) as pair, \
                    Cut(net) as cut:
                rates.append(print_lines(pair.console, delay, index))
                lost = time.monotonic()
                cut.pull()
                pair.primary.send(signal.SIGKILL)
                gaps.append(1000 * gap_after(pair.console, lost))
        finally:
            net.drop()
    bench.row(f"host lost to output, {bench.o.host_detection} ms detection", gaps, "ms", "<= 250", "p99",
              note=rate_note(rates))


class Cut:
    """Pulls the cables of the first host without the time it takes to start a program: `ip` runs
    already and reads what to do."""

    def __init__(self, net):
        self.ends = [one[0] for one, _ in net.cables[:2]]
        self.process = subprocess.Popen(["ip", "-n", net.names[0], "-batch", "-"], stdin=subprocess.PIPE,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def pull(self):
        self.process.stdin.write("".join(f"link set {end} down\n" for end in self.ends))
        self.process.stdin.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        _, said = self.process.communicate()
        if self.process.returncode != 0:
            raise BenchError(f"the cables could not be pulled: {said.strip()}")


def line_delay(bench):
    """Turns of an empty loop that make the guest print one line a millisecond on this machine."""
    if bench.line_delay is None:
        bench.progress("finding out how fast the guest prints")
        lines, turns = 500, 40
        with Console(bench.ftvm_booted("run")) as console:
            console.type("\n")
            console.wait(PROMPT, BOOT_S)
            seconds = [do_job(console, printing(limit=lines, delay=each)) for each in (turns, 0, turns)][1:]
        for_a_turn = max(1e-7, (seconds[1] - seconds[0]) / lines / turns)
        bench.line_delay = max(0, round((0.001 - seconds[0] / lines) / for_a_turn))
    return bench.line_delay


def printing(limit, delay):
    return (f"i=0; while [ $i -lt {limit} ]; do echo n$i; j=0; while [ $j -lt {delay} ]; "
            "do j=$((j+1)); done; i=$((i+1)); done")


def print_lines(console, delay, index):
    """Starts the loop and lets it print; returns lines per second just before the return."""
    _, since = console.type(printing(10 ** 9, delay) + "\n")
    console.wait(f"n{LINES_BEFORE}\r\n".encode(), 60, since)
    console.lines_from = since
    pump([console], 0.3 + 0.0137 * (index % 23))  # Not always at one phase of anything periodic.
    recent = [end for end, at in zip(console.piece_ends, console.piece_times)
              if at > console.piece_times[-1] - 0.25]
    return console.data[recent[0]:].count(b"\n") / 0.25


def gap_after(console, lost):
    """Seconds from `lost` to the first byte behind the silence. What was on the way when the primary
    died still arrives, so the silence is the longest one, not the first."""
    before = console.data.count(b"\n")
    deadline = lost + RESUME_S
    while console.data.count(b"\n") < before + LINES_AFTER:
        if time.monotonic() > deadline:
            raise BenchError(f"the console did not go on within {RESUME_S} s; {console.story()}")
        pump([console], 0.02)
    check_lines(console)
    times = [lost] + [at for at in console.piece_times if at > lost]
    silences = [(later - earlier, later) for earlier, later in zip(times, times[1:])]
    return max(silences)[1] - lost


def check_lines(console):
    numbers = [int(each) for each in LINE.findall(bytes(console.data[console.lines_from:]))]
    if numbers != list(range(len(numbers))):
        wrong = next(at for at, number in enumerate(numbers) if at != number)
        raise BenchError(f"a console that lost or repeated something: line {numbers[wrong]} stands where "
                         f"line {wrong} belongs")


def rate_note(rates):
    return f"the guest printed {min(rates):.0f}..{max(rates):.0f} lines/s"
