"""Figures of one machine, with QEMU beside it: booting, jobs in the guest, recording and replaying."""
import json
import os
import re
import socket
import statistics
import subprocess
import tempfile
import time

from console import BenchError, Console, cpu_seconds, peak_kib
from systems import BOOT_S, PROMPT, do_job, typed

KERNEL_SPEAKS = b"Linux version"


def rotated(systems, turn):
    """The same systems, beginning with another one in each turn."""
    names = list(systems)
    first = turn % len(names)
    return names[first:] + names[:first]


def ratios(over, under, key):
    """Of runs that were made beside each other."""
    return [a[key] / b[key] for a, b in zip(over, under)]


def medians(runs, *keys):
    return ", ".join(f"{key} {statistics.median(run[key] for run in runs):.1f} {unit}"
                     for key, unit in keys)


# ------------------------------------------------------------------------------------------- boot

def boot(bench):
    """CPU seconds from the start of the process to the guest's prompt, not to the process's end."""
    folder = bench.new_folder("boot")
    journal, rr, door = folder / "boot.ftj", folder / "boot.rr", folder / "qmp"
    record = ["--journal", str(journal), "--overwrite"]
    systems = {"ftvm run": bench.ftvm_booting("run"),
               "ftvm record": bench.ftvm_booting("record", *record),
               "ftvm record, portable": bench.ftvm_booting("record", *record, "--engine", "portable")}
    if bench.has_qemu():
        systems["QEMU -icount"] = bench.qemu_booting("shift=auto")
        systems["QEMU rr=record"] = bench.qemu_booting(f"shift=auto,rr=record,rrfile={rr}",
                                                       "-qmp", f"unix:{door},server=on,wait=off")
    results = {name: [] for name in systems}
    for turn in range(bench.o.runs):
        for name in rotated(systems, turn):
            bench.progress(f"boot {turn + 1} of {bench.o.runs}: {name}")
            results[name].append(boot_once(systems[name], door if "rr=" in name else None))
            if name == "ftvm record":
                results[name][-1].update(journal=journal.stat().st_size, instructions=replayed(bench, journal))
            if "rr=" in name:
                results[name][-1]["journal"] = rr.stat().st_size
    for name, runs in results.items():
        bench.row(f"boot to shell, {name}", [run["cpu"] for run in runs], "CPU s",
                  note=medians(runs, ("wall", "s"), ("rss", "MiB")))
    compare_boots(bench, results)


def boot_once(command, qmp=None):
    with Console(command) as console:
        console.wait(KERNEL_SPEAKS, BOOT_S)
        first = cpu_seconds(console.pid)
        at = console.wait(PROMPT, BOOT_S)
        result = {"cpu": cpu_seconds(console.pid), "wall": at - console.started,
                  "rss": peak_kib(console.pid) / 1024}
        result["kernel_cpu"] = result["cpu"] - first
        if qmp:
            result["instructions"] = qemu_instructions(qmp)
        console.end()
    return result


def compare_boots(bench, results):
    recorded = results["ftvm record"]
    bench.row("boot, speed of ftvm: record / run", ratios(results["ftvm run"], recorded, "cpu"), "ratio",
              note="1 is free recording")
    peer = results.get("QEMU rr=record")
    if not peer:
        return
    bench.row("boot, speed of recording: ftvm / QEMU", ratios(peer, recorded, "cpu"), "ratio", ">= 1.2")
    bench.row("  the same from the kernel's first line on", ratios(peer, recorded, "kernel_cpu"), "ratio",
              note="without process start, firmware and decompression")
    bench.row("boot, speed of recording: ftvm portable / QEMU",
              ratios(peer, results["ftvm record, portable"], "cpu"), "ratio", ">= .33")
    bench.row("boot, speed without recording: ftvm / QEMU -icount",
              ratios(results["QEMU -icount"], results["ftvm run"], "cpu"), "ratio")
    bench.row("boot, bytes of the journal: ftvm / QEMU", ratios(recorded, peer, "journal"), "ratio", "<= .1",
              note=f"{recorded[-1]['journal']} and {peer[-1]['journal']} bytes")
    bench.row("boot, instructions: ftvm / QEMU", ratios(recorded, peer, "instructions"), "ratio",
              note="near 1: both do the same work")


def qemu_instructions(path):
    """What QEMU has counted, from its monitor."""
    with socket.socket(socket.AF_UNIX) as door:
        door.settimeout(10)
        door.connect(str(path))
        with door.makefile("rw", encoding="utf-8") as lines:
            lines.readline()  # Its greeting.
            for command in ("qmp_capabilities", "query-replay"):
                lines.write(json.dumps({"execute": command}) + "\n")
                lines.flush()
                answer = json.loads(lines.readline())
    return answer["return"]["icount"]


def replayed(bench, journal):
    said = bench.run(bench.ftvm, "replay", journal, *bench.images())
    count = re.search(r"replayed (\d+) instructions", said)
    if not count:
        raise BenchError(f"ftvm replay does not say how many instructions it replayed: {said!r}")
    return int(count[1])


# ------------------------------------------------------------------------------------------- jobs

def jobs(bench):
    """Each system boots, then does every job once; the systems take turns."""
    folder = bench.new_folder("jobs")
    systems = {"ftvm run": bench.ftvm_booting("run"),
               "ftvm record": bench.ftvm_booting("record", "--journal", str(folder / "jobs.ftj"), "--overwrite")}
    if bench.has_qemu():
        systems["QEMU -icount"] = bench.qemu_booting("shift=auto")
    results = {name: {job: [] for job in bench.jobs} for name in systems}
    sums = set()
    for turn in range(bench.o.runs):
        for name in rotated(systems, turn):
            bench.progress(f"jobs {turn + 1} of {bench.o.runs}: {name}")
            with Console(systems[name]) as console:
                console.wait(PROMPT, BOOT_S)
                for name_of_job, job in bench.jobs.items():
                    before = cpu_seconds(console.pid)
                    wall = do_job(console, job.line)
                    results[name][name_of_job].append({"wall": wall, "cpu": cpu_seconds(console.pid) - before})
                sums.update(re.findall(rb"[0-9a-f]{64}", console.data))
                console.end()
    if len(sums) != 1:
        raise BenchError(f"the systems do not compute the same: {sums}")
    for name_of_job, job in bench.jobs.items():
        for name in systems:
            runs = results[name][name_of_job]
            bench.row(f"{name_of_job}, {name}", [run["cpu"] for run in runs], "CPU s",
                      note=f"{job.words}; {medians(runs, ('wall', 's'))}")
        compare_jobs(bench, name_of_job, {name: results[name][name_of_job] for name in systems})


def compare_jobs(bench, job, results):
    bench.row(f"{job}, speed: ftvm record / run", ratios(results["ftvm run"], results["ftvm record"], "cpu"),
              "ratio")
    if "QEMU -icount" in results:
        for name in ("ftvm run", "ftvm record"):
            bench.row(f"{job}, speed: {name} / QEMU -icount",
                      ratios(results["QEMU -icount"], results[name], "cpu"), "ratio")


# ----------------------------------------------------------------------------------------- replay

def replay(bench):
    """The same busy script run, recorded and replayed, each a whole process; then an idle recording."""
    folder = bench.new_folder("replay")
    script, journal = folder / "busy.script", folder / "busy.ftj"
    script.write_text(busy_script(bench), encoding="utf-8")
    live = [*bench.setup_with_snapshot().machine(), "--console", "none", "--script", str(script)]
    commands = {"run": [bench.ftvm, "run", *live],
                "record": [bench.ftvm, "record", *live, "--journal", str(journal), "--overwrite"],
                "replay": replay_command(bench, journal)}
    results = {name: [] for name in commands}
    for turn in range(bench.o.runs):
        for name, command in commands.items():
            bench.progress(f"{name} {turn + 1} of {bench.o.runs}")
            results[name].append(timed(command))
    for name, runs in results.items():
        bench.row(f"three jobs, ftvm {name}", [run["cpu"] for run in runs], "CPU s",
                  note=medians(runs, ("wall", "s")))
    bench.row("three jobs, CPU: record / run", ratios(results["record"], results["run"], "cpu"), "ratio")
    bench.row("three jobs, wall: record / run", ratios(results["record"], results["run"], "wall"), "ratio")
    bench.row("three jobs, CPU: replay / record", ratios(results["replay"], results["record"], "cpu"), "ratio")
    bench.row("three jobs, wall: replay / record", ratios(results["replay"], results["record"], "wall"), "ratio",
              "<= 1.03")
    idle_replay(bench, folder / "idle.ftj")


def idle_replay(bench, journal):
    bench.progress(f"recording {bench.o.idle_seconds} s of nothing")
    with Console(bench.ftvm_booted("record", "--journal", str(journal))) as console:
        time.sleep(bench.o.idle_seconds)
        console.end()
        wall = time.monotonic() - console.started
    values = [wall / timed(replay_command(bench, journal))["wall"] for _ in range(bench.o.runs)]
    bench.row("idle guest, wall: record / replay", values, "ratio", ">= 10",
              note=f"{bench.o.idle_seconds} s recorded")


def replay_command(bench, journal):
    return [bench.ftvm, "replay", *bench.setup_with_snapshot().machine(), str(journal)]


def busy_script(bench):
    lines = ['send "\\n"', f'wait "{PROMPT.decode()}"']
    for number, job in enumerate(bench.jobs.values()):
        line = typed(job.line).replace("job-e''nd", f"job{number}-e''nd").strip()
        lines += [f'send "{line}\\n"', f'wait "job{number}-end 0"']
    return "\n".join([*lines, "stop", ""])


def timed(command):
    """A whole process: wall and CPU seconds from its start to its end."""
    with tempfile.TemporaryFile() as errors:
        began = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors)
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
        wall = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            errors.seek(0)
            raise BenchError(f"{' '.join(command[:2])} ... ended with {process.returncode}: "
                             f"{errors.read()[-400:].decode(errors='replace').strip()}")
    return {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime}
