#!/usr/bin/env python3
"""The figures of ftvm, with QEMU beside it in the same run.

usage: bench.py FTVM KERNEL INITRAMFS [--runs N] [--only NAME,...] [--json FILE]

Every figure is a median over runs that alternate between the systems compared, so that a machine
whose speed drifts drifts for all of them; the spread (min..max) stands beside it. CPU seconds are
those of the whole process (user and system). See bench.md for what each figure means.
"""
import argparse
import json
import os
import pathlib
import platform
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "examples/debian"))
import chain  # noqa: E402
import demo  # noqa: E402

PROMPT = b"guest:"
COMMAND_LINE = ("console=ttyS0,115200 nosmp noapic nolapic acpi=off pci=off mitigations=off nopti nomodeset "
                "i8042.noaux i8042.nokbd i8042.noprobe tsc=reliable no_timer_check panic=-1 "
                "random.trust_cpu=off nowatchdog")


def run_until(command, pattern, seconds=300, typed=b"", then=signal.SIGTERM):
    """Starts `command`, waits for `pattern` on its console (typing `typed` at the prompt first), ends
    it. Returns wall seconds to the pattern, CPU seconds and peak memory of the process."""
    before = time.monotonic()
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    seen, wanted = b"", PROMPT if typed else pattern
    deadline = before + seconds
    while wanted not in seen:
        piece = os.read(process.stdout.fileno(), 65536)
        if not piece or time.monotonic() > deadline:
            process.kill()
            raise SystemExit(f"bench: {' '.join(command[:3])} ...: '{wanted.decode()}' did not come:\n"
                             + seen[-300:].decode(errors="replace"))
        seen += piece
        if wanted in seen and typed:
            process.stdin.write(typed)
            process.stdin.flush()
            seen, wanted, typed = b"", pattern, b""
            before_typed = time.monotonic()
    wall = time.monotonic() - before
    process.send_signal(then)
    while os.read(process.stdout.fileno(), 65536):
        pass
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    return {"wall_s": wall, "cpu_s": usage.ru_utime + usage.ru_stime, "rss_mib": usage.ru_maxrss / 1024,
            "typed_s": time.monotonic() - before_typed if "before_typed" in locals() else None}


class Bench:
    def __init__(self, options, folder):
        self.o = options
        self.folder = folder
        self.images = ["--kernel", options.kernel, "--initramfs", options.initramfs]
        self.rows = []

    def report(self, name, values, unit, note=""):
        row = {"name": name, "median": statistics.median(values), "min": min(values), "max": max(values),
               "unit": unit, "runs": len(values), "note": note}
        self.rows.append(row)
        print(f"{name:44} {row['median']:10.3f} {unit:7} ({row['min']:.3f}..{row['max']:.3f}, n={row['runs']}) {note}",
              flush=True)
        return row["median"]

    def ftvm(self, *arguments):
        return [self.o.ftvm, *arguments, *self.images, "--console", "stdio", "--clock", "virtual"]

    def qemu(self, icount):
        return ["qemu-system-x86_64", "-M", "pc", "-accel", "tcg", "-cpu", "qemu64", "-m", "256", "-net", "none",
                "-display", "none", "-serial", "stdio", "-monitor", "none", "-no-reboot", "-icount", icount,
                "-kernel", self.o.kernel, "-initrd", self.o.initramfs, "-append", COMMAND_LINE]

    def boot(self):
        """Boot to the shell prompt: CPU seconds, plain and recorded, both systems in turn."""
        journal, rr = self.folder / "boot.ftj", self.folder / "boot.rr"
        systems = {"ftvm run": self.ftvm("run"), "ftvm record": self.ftvm("record", "--journal", str(journal), "--overwrite"),
                   "ftvm record portable": self.ftvm("record", "--journal", str(journal), "--overwrite", "--engine", "portable")}
        if shutil.which("qemu-system-x86_64"):
            systems["qemu -icount"] = self.qemu("shift=auto")
            systems["qemu rr=record"] = self.qemu(f"shift=auto,rr=record,rrfile={rr}")
        results = {name: [] for name in systems}
        for _ in range(self.o.runs):
            for name, command in systems.items():
                results[name].append(run_until(command, PROMPT))
        for name, runs in results.items():
            self.report(f"boot to shell, {name}", [r["cpu_s"] for r in runs], "cpu s")
            self.report(f"boot to shell, {name}, RSS", [r["rss_mib"] for r in runs], "MiB")
        pairs = lambda a, b: [y["cpu_s"] / x["cpu_s"] for x, y in zip(results[a], results[b])]
        self.report("speed: plain / recorded", pairs("ftvm record", "ftvm run"), "ratio", "1 is free recording")
        if "qemu rr=record" in results:
            self.report("speed: ftvm record / qemu rr=record", pairs("ftvm record", "qemu rr=record"), "ratio", "target .95")
            self.report("speed: portable record / qemu rr=record", pairs("ftvm record portable", "qemu rr=record"),
                        "ratio", "target .33")

    def replay(self):
        """A recorded boot replayed: wall time against recording, size of the journal."""
        journal = self.folder / "replay.ftj"
        ratios, sizes = [], []
        for _ in range(self.o.runs):
            recorded = run_until(self.ftvm("record", "--journal", str(journal), "--overwrite"), PROMPT)
            sizes.append(journal.stat().st_size / 1024)
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([self.o.ftvm, "replay", str(journal), *self.images], check=True, stdout=subprocess.DEVNULL)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            ratios.append(cpu / recorded["cpu_s"])
        self.report("replay / record, CPU", ratios, "ratio", "target 1.03")
        self.report("journal of a boot", sizes, "KiB", "target 35")

    def idle(self):
        """Bit rate of the journal of an idle guest, host clock, digests on."""
        journal = self.folder / "idle.ftj"
        command = [self.o.ftvm, "record", *self.images, "--journal", str(journal), "--overwrite", "--console", "stdio"]
        sizes = []
        for seconds in (2, 2 + self.o.idle_seconds):
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            seen = b""
            while PROMPT not in seen:
                seen += os.read(process.stdout.fileno(), 65536)
            time.sleep(seconds)
            process.terminate()
            process.communicate()
            sizes.append(journal.stat().st_size)
        self.report("journal of an idle guest", [(sizes[1] - sizes[0]) * 8 / self.o.idle_seconds / 1000], "kbit/s", "target 100")

    def jobs(self):
        """Guest jobs in a plain run: seconds from typing to the end."""
        jobs = {"CPU-bound (sha256 of 32 MiB)": "dd if=/dev/zero bs=64k count=512 2>/dev/null | sha256sum",
                "fork-bound (1000 processes)": "i=0; while [ $i -lt 1000 ]; do /bin/busybox true; i=$((i+1)); done",
                "memory-bound (copies of 64 MiB)": "dd if=/dev/zero of=/tmp/a bs=1M count=64 2>/dev/null; cp /tmp/a /tmp/b; cmp /tmp/a /tmp/b"}
        for name, job in jobs.items():
            typed = f"{job}; echo job-e''nd\n".encode()
            values = [run_until([self.o.ftvm, "run", *self.images, "--console", "stdio"], b"job-end", typed=typed)["typed_s"]
                      for _ in range(self.o.runs)]
            self.report(f"guest job, {name}", values, "s")

    def snapshot(self):
        path = self.folder / "booted.fts"
        if not path.exists():
            subprocess.run([self.o.ftvm, "snapshot", *self.images, "--when", "guest:", "--out", str(path)],
                           check=True, stdout=subprocess.DEVNULL)
        return path

    def pair(self, index):
        folder = self.folder / f"pair{index}"
        folder.mkdir()
        (folder / "arbiter").mkdir()
        common = [*self.images, "--snapshot", str(self.snapshot()), "--channel", f"127.0.0.1:{demo.free_port()}",
                  "--arbiter", f"file:{folder}/arbiter"]
        nodes = [demo.Node(role, folder, [self.o.ftvm, role, *common]) for role in ("primary", "backup")]
        console = subprocess.Popen([self.o.ftvm, "console", "--connect", ",".join(n.address for n in nodes)],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return nodes, console, demo.Transcript(console.stdout)

    @staticmethod
    def type_line(console, line):
        console.stdin.write(line.encode() + b"\n")
        console.stdin.flush()

    @staticmethod
    def finish(nodes, console):
        for process in (console, *(n.process for n in nodes)):
            process.terminate()
        for process in (console, *(n.process for n in nodes)):
            process.wait(20)

    def failover(self):
        """Kill of the primary to the next console byte, 200 ms detection; guest prints all the time."""
        gaps = []
        for index in range(self.o.kills):
            nodes, console, transcript = self.pair(f"-kill{index}")
            self.type_line(console, chain.shell_command(600))
            transcript.wait(r"^chain 30 ", 60, "line 30")
            time.sleep(0.05 + 0.37 * (index % 7))
            killed = time.monotonic()
            nodes[0].process.send_signal(signal.SIGKILL)
            transcript.wait(r"^chain-end", 120, "the end")
            wrong = chain.problems(transcript.text, 600)
            if wrong:
                raise SystemExit(f"bench: kill {index}: {wrong}")
            gaps.append(1000 * transcript.longest_gap(killed, time.monotonic()))
            self.finish(nodes, console)
        self.report("kill to next output", gaps, "ms", "target 500")

    def protected(self):
        """A CPU-bound job on a pair against the same job on two unrelated machines side by side."""
        job = "dd if=/dev/zero bs=64k count=4096 2>/dev/null | sha256sum; echo job-e''nd"
        ratios = []
        for index in range(self.o.runs):
            nodes, console, transcript = self.pair(f"-speed{index}")
            time.sleep(1)
            before = time.monotonic()
            self.type_line(console, job)
            transcript.wait(r"^job-end", 300, "the job's end")
            paired = time.monotonic() - before
            self.finish(nodes, console)
            command = [self.o.ftvm, "run", *self.images, "--snapshot", str(self.snapshot()), "--clock", "host", "--console", "stdio"]
            plain = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) for _ in range(2)]
            transcripts = [demo.Transcript(p.stdout) for p in plain]
            time.sleep(1)
            before = time.monotonic()
            for process in plain:
                self.type_line(process, job)
            for one in transcripts:
                one.wait(r"^job-end", 300, "the job's end")
            ratios.append((time.monotonic() - before) / paired)
            for process in plain:
                process.terminate()
                process.wait(20)
        self.report("protected / plain, CPU-bound", ratios, "ratio", "target .95")

    def latency(self):
        """Typing a character until its echo: protected, and plain through the same kind of client."""
        nodes, console, transcript = self.pair("-latency")
        self.type_line(console, "cat")
        time.sleep(2)
        values = []
        for index in range(self.o.echoes):
            mark = f"x{index}y"
            before = time.monotonic()
            self.type_line(console, mark)
            transcript.wait(mark, 10, "an echo")
            values.append(1000 * (time.monotonic() - before))
            time.sleep(0.02)
        self.finish(nodes, console)
        self.report("typed line to its echo, protected", values, "ms", "guest and client included")


NAMES = ("boot", "replay", "idle", "jobs", "protected", "failover", "latency")


def main():
    parser = argparse.ArgumentParser()
    for name in ("ftvm", "kernel", "initramfs"):
        parser.add_argument(name)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--echoes", type=int, default=100)
    parser.add_argument("--idle-seconds", type=int, default=60)
    parser.add_argument("--only", default=",".join(NAMES))
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ftvm-bench-") as folder:
        bench = Bench(options, pathlib.Path(folder))
        print(f"{platform.machine()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, {time.strftime('%Y-%m-%d')}")
        for name in options.only.split(","):
            getattr(bench, name)()
    if options.json:
        options.json.write_text(json.dumps({"date": time.strftime("%Y-%m-%d"), "processors": os.cpu_count(),
                                            "rows": bench.rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
