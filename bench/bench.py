#!/usr/bin/env python3
"""The figures of ftvm, with QEMU beside it where QEMU does the same thing.

usage: bench.py FTVM KERNEL INITRAMFS [--only NAME,...] [--runs N] [--quick] [--name NAME]
       bench.py --list

What is compared is measured in turns within one run, so that a machine whose speed drifts drifts
for both. A figure is the median of its values, with min..max and their number beside it. bench.md
says what each figure means. Exit code 0 when all figures could be taken, whatever they say; 1 when
one could not.
"""
import argparse
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tests" / "rig"))  # Pairs, the relay and its verdict are the rig's.

import campaign_figures  # noqa: E402
import failover_figures  # noqa: E402
import journal_figures  # noqa: E402
import latency_figures  # noqa: E402
import pair_figures  # noqa: E402
import single_figures  # noqa: E402
from console import BenchError, end_children  # noqa: E402
from hosts import Skipped  # noqa: E402
from pair import Failure  # noqa: E402
from report import HostLoad, Report, machine_facts, programs  # noqa: E402
from systems import Bench  # noqa: E402

FIGURES = {
    "boot": single_figures.boot,
    "jobs": single_figures.jobs,
    "replay": single_figures.replay,
    "journal": journal_figures.journal,
    "protected": pair_figures.protected,
    "kill": failover_figures.kill,
    "host_lost": failover_figures.host_lost,
    "latency": latency_figures.latency,
    "lag": pair_figures.lag,
    "late_acks": pair_figures.late_acks,
    "memory": pair_figures.memory,
    "state": journal_figures.state,
    "campaign": campaign_figures.campaign,
}
BUSY_LOAD = 0.5

# option: its meaning, its value, its value with --quick.
NUMBERS = {
    "runs": ("turns of whatever has no number of its own", 5, 1),
    "pairs": ("protected: sets of a pair and two plain machines", 3, 1),
    "protected-turns": ("protected: turns of each set", 9, 1),
    "job-seconds": ("protected: length of the job", 4, 2),
    "kills": ("kill, host_lost: how often", 50, 1),
    "detection": ("kill: detection time, ms", 200, 200),
    "host-detection": ("host_lost: detection time, ms", 100, 100),
    "echoes": ("latency: characters for each system, at least 10", 1000, 40),
    "idle-seconds": ("journal, replay: length of the idle time", 60, 3),
    "lag-pairs": ("lag: pairs", 2, 1),
    "lag-seconds": ("lag: length of either half", 30, 4),
    "phase-seconds": ("late_acks: length of a phase, 3 s of it to settle", 13, 4),
    "memory-pairs": ("memory: pairs", 2, 1),
    "windows": ("state: windows for each job", 8, 1),
    "window-ms": ("state: length of a window", 100, 30),
}


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0],
                                     epilog="figures: " + ", ".join(FIGURES))
    for name in ("ftvm", "kernel", "initramfs"):
        parser.add_argument(name)
    parser.add_argument("--only", default=",".join(FIGURES), help="figures, separated by commas")
    parser.add_argument("--quick", action="store_true",
                        help="every figure with hardly any values: does it work? No figures to quote")
    parser.add_argument("--name", help="of the result's file in --results; default: date and commit")
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "bench" / "results")
    for name, (meaning, usual, quick) in NUMBERS.items():
        parser.add_argument(f"--{name}", type=positive, metavar="N", help=f"{meaning} ({usual}, quick {quick})")
    options = parser.parse_args(arguments)
    for name, (_, usual, quick) in NUMBERS.items():
        key = name.replace("-", "_")
        if getattr(options, key) is None:
            setattr(options, key, quick if options.quick else usual)
    options.only = [each for each in options.only.split(",") if each]
    unknown = [each for each in options.only if each not in FIGURES]
    if unknown or not options.only:
        parser.error(f"no figure {', '.join(unknown) or 'given'}; there are {', '.join(FIGURES)}")
    for path in (options.ftvm, options.kernel, options.initramfs):
        if not pathlib.Path(path).exists():
            parser.error(f"{path} is not there; ./dev bench builds and fetches everything")
    return options


def positive(text):
    number = int(text)
    if number <= 0:
        raise argparse.ArgumentTypeError(f"{number} is not above 0")
    return number


def heading(options):
    numbers = {name: getattr(options, name.replace("-", "_")) for name in NUMBERS}
    return {"name": options.name, "command": shlex.join(["bench/bench.py", "FTVM", "KERNEL", "INITRAMFS",
                                                         *sys.argv[4:]]),
            "quick": options.quick, "options": numbers, "machine": machine_facts(),
            "programs": programs(options.ftvm, ROOT)}


def say_heading(content):
    machine, used = content["machine"], content["programs"]
    print(f"{machine['processor']}, {machine['usable_processors']} of {machine['processors']} processors, "
          f"{machine['ram_mib']} MiB, Linux {machine['kernel']}, virtual: {machine['virtual']}\n"
          f"{used['ftvm']}; {used['qemu'] or 'no QEMU'}; commit {used['commit'][:12]}"
          f"{'' if used['tree_is_clean'] else ' with changes'}; {content['date']}")
    if content["quick"]:
        print("--quick: this shows that every figure can be taken. The numbers are not to be quoted.")
    if machine["load_before"] > BUSY_LOAD:
        print(f"load {machine['load_before']:.1f}: this machine is busy with something else, and the "
              "figures will show it")


def take(bench, name, report):
    """One figure; a figure that cannot be taken does not keep the others from it."""
    bench.rows, error = [], None
    began, load = time.monotonic(), HostLoad()
    print(f"\n{name}: {' '.join(FIGURES[name].__doc__.split())}", flush=True)
    try:
        FIGURES[name](bench)
    except Skipped as skipped:
        error = f"skipped: {skipped}"
    except (BenchError, Failure, OSError, subprocess.TimeoutExpired) as failure:
        error = str(failure)
    except Exception:  # A mistake in here; the other figures are still worth having.
        error = traceback.format_exc()
    if error:
        end_children()  # Whatever it has left would be in the way of the next.
        print(f"  {error if error.startswith('skipped') else 'FAILED: ' + error}", flush=True)
    others, seconds = load.others(), time.monotonic() - began
    report.add(name, seconds, others, bench.rows, error)
    print(f"  ({seconds:.0f} s; others took {100 * others:.0f} % of the processors)", flush=True)
    return error is None or error.startswith("skipped")


STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def interrupt(_number, _frame):
    """Once: everything that was started is ended on the way out, and nothing may interrupt that."""
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def main(arguments):
    if "--list" in arguments:
        for name, figure in FIGURES.items():
            print(f"{name:10} {' '.join(figure.__doc__.split())}")
        return 0
    options = parse(arguments)
    content = heading(options)
    options.name = options.name or ("quick" if options.quick else
                                    f"{content_date()}-{content['programs']['commit'][:8]}")
    content["name"] = options.name
    report = Report(options.results / f"{options.name}.json", content)
    for number in STOPPING:
        signal.signal(number, interrupt)
    say_heading(report.content)
    bench, whole = Bench(options), True
    try:
        for name in options.only:
            whole &= take(bench, name, report)
        report.finish()
    except KeyboardInterrupt:
        print("\nbench: interrupted", file=sys.stderr)
        return 130
    finally:
        end_children()
        bench.close()
        print(f"\n{report.path}", flush=True)
    return 0 if whole else 1


def content_date():
    return time.strftime("%Y-%m-%d")


if __name__ == "__main__":
    os.environ["LC_ALL"] = "C.UTF-8"
    sys.exit(main(sys.argv[1:]))
