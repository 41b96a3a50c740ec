#!/usr/bin/env python3
"""Faults on a pair of real processes, and a verdict taken from the wires and the client.

usage: rig.py [SCENARIO[:ARGUMENT] ...] [--ftvm FILE] [--runs N] [--seed N] [--json FILE]
       rig.py --list
Exit code 0 when every run passed or was skipped by name, 77 when all were skipped, 1 when one failed,
3 when one stayed unclear: the host was too busy to say, three times. A run that fails prints a line that repeats it,
and keeps its folder.
"""
import argparse
import dataclasses
import fcntl
import json
import os
import pathlib
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "rig"), str(ROOT / "examples" / "debian")]

import chain  # noqa: E402
import pair as rig_pair  # noqa: E402
import scenarios  # noqa: E402
import wire_verdict  # noqa: E402
from pair import Failure, Setup  # noqa: E402


@dataclasses.dataclass
class Result:
    scenario: str
    seed: int
    verdict: str = "passed"  # Or failed, skipped; unclear when this host stood still.
    why: str = ""
    gap_ms: float = None
    seconds: float = 0
    notes: dict = dataclasses.field(default_factory=dict)
    folder: str = ""

    def line(self):
        gap = "" if self.gap_ms is None else f" gap {self.gap_ms:.0f} ms"
        notes = " ".join(f"{key}={value}" for key, value in self.notes.items())
        return (f"{self.verdict:7} {self.scenario:32} seed {self.seed:<10} {self.seconds:5.1f} s{gap}"
                f"{'  ' + notes if notes else ''}{'  ' + self.why if self.why else ''}")


class Run:
    """One run of one scenario: what a scenario may use."""

    def __init__(self, setup, folder, seed, lines):
        self.setup, self.folder, self.seed, self.lines = setup, folder, seed, lines
        self.random = random.Random(seed)
        self.pair = rig_pair.Pair(setup, folder)
        self.gap_ms, self.notes = None, {}
        self.fault_at = None      # When the live node went away.
        self.chain_typed = False
        self.chain_whole = True   # What the scenario promises.

    def boot(self, **options):
        self.pair.start(**options)
        self.pair.wait_prompt()

    def type_chain(self, lines=None):
        self.lines = lines or self.lines
        self.pair.client.type(chain.shell_command(self.lines) + "\n")
        self.chain_typed = True

    def wait_line(self, number, seconds=120):
        return self.pair.client.transcript.wait(rf"^chain {number} [0-9a-f]+", seconds, f"line {number}")

    def wait_random_line(self, low=0.2, high=0.8):
        number = self.random.randrange(int(self.lines * low), int(self.lines * high))
        self.notes["line"] = number
        self.wait_line(number)
        time.sleep(self.random.random() * 0.03)  # Anywhere within a line.

    def wait_end(self, seconds=120):
        return self.pair.client.transcript.wait(r"^chain-end", seconds, "the end of the chain")

    def expect_live(self, node, role="lone"):
        found = node.role_now()
        if found != role:
            raise Failure(f"the {node.role} is {found}, not {role}")
        for other in self.pair.nodes():
            if other is not node and other.role_now() in ("lone", "primary", "ending"):
                raise Failure(f"the {node.role} and the {other.role} are both live")

    def stop(self, node, *others):
        """SIGTERM to the live node; it and `others` must end with 0."""
        node.send(15)
        for each in (node, *others):
            each.expect_exit(0)

    def judge(self):
        """Of what every scenario must leave behind."""
        verdict = wire_verdict.judge(self.pair)
        self.notes["outputs"] = f"{verdict.acknowledged}/{verdict.marks}"
        if verdict.arbitrated:
            self.notes["arbitrated"] = verdict.arbitrated
        if verdict.late_repeats:
            self.notes["late_repeats"] = verdict.late_repeats
        if self.fault_at is not None and self.gap_ms is None:
            later = [at for epoch, at in verdict.first_of_epoch.items() if epoch > 1]
            if later:
                self.gap_ms = (min(later) - self.fault_at) * 1000
        problems = list(verdict.problems)
        if self.chain_typed:
            broken = chain.problems(self.pair.client.transcript.text, self.lines)
            if not self.chain_whole:  # The machine died with both nodes: what was shown must be right.
                broken = [each for each in broken if not re.fullmatch(r"\d+ lines of \d+", each)]
            problems += [f"CHAIN: {each}" for each in broken]
        for node in self.pair.nodes():
            problems += [f"ASSERTION in the {node.role}: {line}" for line in node.errors.splitlines()
                         if "assertion failed" in line]
            problems += [f"ERROR of the {node.role}: {event}" for event in node.events()
                         if event.get("level") == "error"]
        if problems:
            raise Failure("; ".join(problems))
        return verdict


# What no stall of the host excuses.
WRONG_WHATEVER = ("CONTRADICTION", "OUTPUT RULE", "CLIENT", "ASSERTION", "stands where", "has hash")
STALL_MS = 100
TRIES = 3


def stall_ms(run):
    """The longest time in which a node that nobody had stopped did not get to run, as it says."""
    return max((event["gap_ms"] for node in run.pair.nodes() for event in node.events("node.stopped")),
               default=0)


def execute(setup, text, seed, options):
    """On a host that is too busy a node may rightly be taken for dead: then the run says nothing
    about ftvm, and is repeated."""
    for _ in range(TRIES):
        result = execute_once(setup, text, seed, options)
        if result.verdict != "unclear":
            break
        print(result.line(), flush=True)
    return result


def split(text):
    name, _, argument = text.partition(":")
    return name, argument


def execute_once(setup, text, seed, options):
    name, argument = split(text)
    result = Result(text, seed)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="rig-", dir=options.work))
    began, run = time.monotonic(), None
    try:
        run = Run(setup, folder, seed, options.lines)
        function = scenarios.TABLE[name]
        function(run, argument) if argument else function(run)
        run.pair.close()
        run.judge()
    except scenarios.Skipped as skipped:
        result.verdict, result.why = "skipped", str(skipped)
    except Failure as failure:
        result.verdict, result.why = "failed", str(failure)
    except Exception:  # pylint: disable=broad-except
        result.verdict, result.why = "failed", "rig: " + traceback.format_exc(limit=4)
    finally:
        if run is not None:
            run.pair.close()
            result.gap_ms, result.notes = run.gap_ms, run.notes
    if result.verdict == "failed" and run is not None and not result.why.startswith("OUTPUT"):
        try:  # A scenario that gave up early may have hidden something worse.
            run.judge()
        except Failure as failure:
            if str(failure) not in result.why:
                result.why += "; moreover " + str(failure)
        except Exception:  # pylint: disable=broad-except
            pass
    if result.verdict == "failed" and run is not None and name not in scenarios.STOPPING:
        stalled = stall_ms(run)
        if stalled >= STALL_MS and not any(each in result.why for each in WRONG_WHATEVER):
            result.verdict, result.notes["host_stalled_ms"] = "unclear", stalled
    result.seconds = time.monotonic() - began
    if result.verdict in ("failed", "unclear") or options.keep:
        result.folder = str(folder)
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return result


def make_snapshot(setup, work):
    """A snapshot at the prompt for both nodes, when both can start from one; else nothing."""
    path = work / "booted.fts"
    made = subprocess.run([setup.ftvm, "snapshot", "--when", rig_pair.PROMPT, "--clock", "host",
                           "--out", str(path), "--overwrite", *setup.machine()],
                          capture_output=True, text=True, timeout=rig_pair.BOOT_S, check=False)
    offset = re.search(r"console at input 0, output (\d+)", made.stdout)
    if made.returncode != 0 or not offset:
        return "no snapshot: " + (made.stderr.strip() or made.stdout.strip())
    setup.snapshot, setup.start_offset = str(path), int(offset[1])
    folder = pathlib.Path(tempfile.mkdtemp(prefix="try-", dir=work))
    trial = rig_pair.Pair(setup, folder)
    why = ""
    try:
        trial.start()
        trial.client.type("\n")
        trial.client.transcript.wait(re.escape(rig_pair.PROMPT), 20, "a prompt from the snapshot")
    except (Failure, OSError) as failure:
        why = f"a pair does not start from a snapshot: {failure}"
    finally:
        trial.close()
    if why:
        setup.snapshot, setup.start_offset = None, 0
    return why


def find_snapshot(setup, options):
    """One that an earlier call of the same program has left, or a new one. Calls at the same time wait for
    the first."""
    if options.snapshot_in is None:
        return make_snapshot(setup, options.work)
    kept = pathlib.Path(options.snapshot_in).resolve()
    facts = os.stat(setup.ftvm)
    program = [setup.ftvm, facts.st_mtime_ns, facts.st_size]
    with open(kept / "booted.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        note = kept / "booted.json"
        known = json.loads(note.read_text()) if note.exists() else {}
        if known.get("program") == program:
            setup.snapshot, setup.rtc, setup.start_offset = (known[key] for key in ("snapshot", "rtc", "offset"))
            return ""
        why = make_snapshot(setup, kept)
        if not why:
            note.write_text(json.dumps({"program": program, "snapshot": setup.snapshot, "rtc": setup.rtc,
                                        "offset": setup.start_offset}))
        return why


def summary(results):
    by_name = {}
    for result in results:
        by_name.setdefault(result.scenario, []).append(result)
    lines = []
    for name, group in by_name.items():
        counts = {verdict: sum(r.verdict == verdict for r in group)
                  for verdict in ("passed", "failed", "unclear", "skipped")}
        gaps = sorted(r.gap_ms for r in group if r.gap_ms is not None)
        gap = (f"  gap median {statistics.median(gaps):.0f} ms, max {gaps[-1]:.0f} ms" if gaps else "")
        lines.append(f"{name:32} " + ", ".join(f"{n} {v}" for v, n in counts.items() if n) + gap)
    gaps = sorted(r.gap_ms for r in results if r.gap_ms is not None)
    if len(gaps) > 1:
        p99 = gaps[min(len(gaps) - 1, int(len(gaps) * 0.99))]
        lines.append(f"all gaps: {len(gaps)}, median {statistics.median(gaps):.0f} ms, p99 {p99:.0f} ms")
    return lines


def reproducer(result, options):
    parts = ["tests/rig/rig.py", result.scenario, "--seed", str(result.seed), "--lines",
             str(options.lines), "--ftvm", options.ftvm, "--keep"]
    return " ".join(parts + (["--no-snapshot"] if options.no_snapshot else []))


def add_setup_options(parser):
    build = pathlib.Path(os.environ.get("FTVM_BUILD", ROOT / "build"))
    parser.add_argument("--ftvm", default=os.environ.get("FTVM_BINARY", str(build / "release/ftvm")))
    parser.add_argument("--kernel", default=os.environ.get(
        "FTVM_KERNEL", str(build / "deps/guest/vmlinuz")))
    parser.add_argument("--initramfs", default=os.environ.get(
        "FTVM_INITRAMFS", str(build / "deps/guest/initramfs.cpio.gz")))
    parser.add_argument("--no-snapshot", action="store_true", help="boot Linux in each run")
    parser.add_argument("--snapshot-in", help="folder that keeps the snapshot for the next call")
    parser.add_argument("--lines", type=int, default=200, help="length of the chain")
    parser.add_argument("--keep", action="store_true", help="keep the folders of all runs")
    parser.add_argument("--work", default=None, help="where the folders are made")


def prepare(options):
    """Setup of all runs, and whether it starts from a snapshot."""
    options.work = pathlib.Path(options.work or tempfile.mkdtemp(prefix="ftvm-rig-"))
    options.work.mkdir(exist_ok=True)
    setup = Setup(options.ftvm, options.kernel, options.initramfs)
    for path in (setup.ftvm, setup.kernel, setup.initramfs):
        if not pathlib.Path(path).exists():
            raise SystemExit(f"rig: {path} is not there; build first, or see --ftvm, --kernel, --initramfs")
    why = "asked for" if options.no_snapshot else find_snapshot(setup, options)
    return setup, (f"each run boots Linux ({why})" if why else "runs start from a snapshot at the prompt")


def clean(options, results):
    if not options.keep and all(not result.folder for result in results):
        shutil.rmtree(options.work, ignore_errors=True)


def main():
    # So that whoever ends this also ends the pair.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("scenario", nargs="*", help="default: all")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--runs", type=int, default=1, help="of each scenario, with rising seeds")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--json", help="one JSON line for each run")
    add_setup_options(parser)
    options = parser.parse_args()
    if options.list:
        for name in scenarios.ALL:
            print(f"{name:32} {scenarios.TABLE[split(name)[0]].__doc__.splitlines()[0]}")
        print("kill points in the code: " + ", ".join(scenarios.kill_points()))
        return 0
    names = options.scenario or scenarios.ALL
    for name in names:
        if split(name)[0] not in scenarios.TABLE:
            parser.error(f"no scenario {name}; see --list")
    seed = random.randrange(1 << 31) if options.seed is None else options.seed
    setup, how = prepare(options)
    print(f"rig: seed {seed}, {how}", flush=True)
    results = []
    for turn in range(options.runs):
        for name in names:
            result = execute(setup, name, seed + turn, options)
            results.append(result)
            print(result.line(), flush=True)
            if result.verdict == "failed":
                print(f"        again: {reproducer(result, options)}\n        folder: {result.folder}",
                      flush=True)
            if options.json:
                with open(options.json, "a", encoding="utf-8") as out:
                    out.write(json.dumps(dataclasses.asdict(result)) + "\n")
    print("\n".join(summary(results)))
    clean(options, results)
    verdicts = {result.verdict for result in results}
    if len(results) == 1:  # For `ftvm campaign --rig`: the last line says it all.
        gap = results[0].gap_ms
        print(results[0].why or "passed", "" if gap is None else f"silence_ms={gap:.0f}")
    if verdicts == {"skipped"}:
        return 77
    return 1 if "failed" in verdicts else 3 if "unclear" in verdicts else 0


if __name__ == "__main__":
    sys.exit(main())
