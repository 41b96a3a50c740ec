"""Figures about bytes: of a journal, and of what would have to be sent if not the inputs but the
memory that changes were replicated."""
import bisect
import json
import re
import time

from console import BenchError, Console
from pairs import BenchPair
from systems import BOOT_S, PAGE_BYTES, PROMPT, do_job

GRID_TICKS = 1 << 24  # Snapshots exist on this grid only.


def kbit_s(size_bytes, seconds):
    return size_bytes * 8 / 1000 / seconds


# ---------------------------------------------------------------------------------------- journal

def journal(bench):
    """Journal files of a boot, of an idle guest and of each job; digests are on, as they are by default."""
    folder = bench.new_folder("journal")
    for clock in ("virtual", "host"):
        sizes = []
        for turn in range(bench.o.runs):
            bench.progress(f"boot, {clock} clock, {turn + 1} of {bench.o.runs}")
            path = folder / f"boot-{clock}-{turn}.ftj"
            command = bench.ftvm_booting("record", "--journal", str(path), "--clock", clock)
            with Console(command) as console:
                console.wait(PROMPT, BOOT_S)
                console.end()
            sizes.append(path.stat().st_size / 1024)
        bench.row(f"journal of a boot, {clock} clock", sizes, "KiB", "<= 35")
    bench.row("journal of an idle guest", [idle_rate(bench, folder / f"idle-{turn}.ftj")
                                           for turn in range(bench.o.runs)], "kbit/s", "<= 50",
              note=f"{bench.o.idle_seconds} s each")
    for name, job in bench.jobs.items():
        rates = []
        for turn in range(bench.o.runs):
            bench.progress(f"{name} {turn + 1} of {bench.o.runs}")
            summary = bench.record_job(job.line, folder / f"job-{turn}.ftj")
            rates.append(kbit_s(summary["file_bytes"], summary["duration"]["guest_ns"] / 1e9))
        bench.row(f"journal, {name}", rates, "kbit/s", note=job.words)


def idle_rate(bench, path):
    """The whole file, its header included, over the whole time."""
    bench.progress(f"{bench.o.idle_seconds} s of nothing")
    with Console(bench.ftvm_booted("record", "--journal", str(path))) as console:
        time.sleep(bench.o.idle_seconds)
        console.end()
    summary = bench.inspect(path)
    return kbit_s(summary["file_bytes"], summary["duration"]["guest_ns"] / 1e9)


# ------------------------------------------------------------------------------------------ state

class Times:
    """Guest time of a tick in a recording, from its clock records; between two of them the rate
    of the earlier one holds."""

    def __init__(self, bench, path):
        lines = bench.run(bench.ftvm, "inspect", path, "--records", "--json").splitlines()
        records = [json.loads(line) for line in lines]
        syncs = [(each["tick"], *map(int, re.findall(r"\d+", each["text"])))
                 for each in records if each["kind"] == "clock_sync"]
        if not syncs:
            raise BenchError(f"{path.name} has no clock_sync records: was it recorded under the host's clock?")
        self.ticks, self.bases_ns, self.rates_ps = zip(*syncs)  # "clock, base N ns, N ps per tick"
        typed = [each["tick"] for each in records if each["kind"] == "console_bytes"]
        self.first, self.last = typed[-1], records[-1]["tick"]  # Of the job.

    def ns(self, tick):
        at = max(0, bisect.bisect_right(self.ticks, tick) - 1)
        return self.bases_ns[at] + (tick - self.ticks[at]) * self.rates_ps[at] / 1000

    def tick(self, ns):
        """The first grid line at this time or later."""
        low, high = self.first // GRID_TICKS, self.last // GRID_TICKS + 1
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if self.ns(middle * GRID_TICKS) >= ns else (middle + 1, high)
        return low * GRID_TICKS


def state(bench):
    """Bytes that cross the channel during a job, and memory that changed in windows of the same job."""
    folder = bench.new_folder("state")
    for name, job in bench.jobs.items():
        bench.progress(f"{name}: recording")
        path = folder / f"{name}.ftj"
        summary = bench.record_job(job.line, path)
        journal_rate = kbit_s(summary["file_bytes"], summary["duration"]["guest_ns"] / 1e9)
        rates, windows = dirty_rates(bench, path, name)
        pages = [each["pages"] for each in windows]
        lengths = [each["ms"] for each in windows]
        bench.row(f"{name}: pages that changed in a window", pages, "pages",
                  note=f"windows of {min(lengths):.0f}..{max(lengths):.0f} ms of guest time")
        bench.row(f"{name}: these pages, sent", rates, "kbit/s", note="a lower bound")
        bench.row(f"{name}: journal of the same recording", [journal_rate], "kbit/s")
        down, up = channel_rates(bench, job.line, name)
        bench.row(f"{name}: channel, to the backup", down, "kbit/s")
        bench.row(f"{name}: channel, to the primary", up, "kbit/s")
        both = sorted(a + b for a, b in zip(down, up))
        middle = both[len(both) // 2]
        bench.row(f"{name}: changed pages / channel", [rate / middle for rate in rates], "ratio")


def dirty_rates(bench, path, name):
    """Windows spread over the job. Each snapshot goes on from the one before, so the recording is
    replayed once."""
    times, folder = Times(bench, path), path.parent
    begin, end = times.ns(times.first), times.ns(times.last)
    window = bench.o.window_ms * 1e6
    count = max(1, min(bench.o.windows, int((end - begin) // (2 * window))))
    before, windows, wanted = None, [], times.first
    for index in range(count):
        bench.progress(f"{name}: window {index + 1} of {count}")
        wanted = max(wanted, times.tick(begin + (end - begin - window) * (index + .5) / count))
        marks = []
        for tick in (wanted, None):
            tick = tick or times.tick(times.ns(marks[0][0]) + window)
            if tick >= times.last:
                break
            marks.append(snapshot_at(bench, path, before, tick, folder / f"{name}-{tick}.fts"))
            before, wanted = marks[-1][1], tick + GRID_TICKS
        if len(marks) == 2:
            ms = (times.ns(marks[1][0]) - times.ns(marks[0][0])) / 1e6
            windows.append({"ms": ms, "pages": pages_between(bench, marks[0][1], marks[1][1])})
    if not windows:
        raise BenchError(f"the {name} job is too short for a window of {bench.o.window_ms} ms")
    return [kbit_s(each["pages"] * PAGE_BYTES, each["ms"] / 1000) for each in windows], windows


def snapshot_at(bench, journal_path, before, tick, out):
    """`before`: the snapshot to go on from. Returns the tick it was taken at, and its file."""
    machine = bench.setup_with_snapshot().machine()
    if before:
        machine[machine.index("--snapshot") + 1] = str(before)
    said = bench.run(bench.ftvm, "snapshot", *machine, "--at", tick, "--out", out, journal_path)
    return int(re.search(r": tick (\d+)", said)[1]), out


def pages_between(bench, one, other):
    said = bench.run(bench.ftvm, "diff", *bench.images(), one, other, codes=(0, 1))
    found = re.search(r"RAM differs in (\d+) pages of (\d+) bytes", said)
    return int(found[1]) * int(found[2]) // PAGE_BYTES if found else 0


def channel_rates(bench, job, name):
    """Bytes on the wire of a pair that does the job: TCP payload, all framing of ours included."""
    down, up = [], []
    for turn in range(bench.o.runs):
        bench.progress(f"{name}: pair {turn + 1} of {bench.o.runs}")
        with BenchPair(bench, relayed=True) as pair:
            before = pair.channel_bytes()
            seconds = do_job(pair.console, job)
            after = pair.channel_bytes()
        down.append(kbit_s(after[0] - before[0], seconds))
        up.append(kbit_s(after[1] - before[1], seconds))
    return down, up
