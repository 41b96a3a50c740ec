"""What is measured on: command lines of ftvm and of QEMU that make the same guest, the jobs that the
guest does, and what all figures have in common."""
import dataclasses
import json
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from console import BenchError, Console
from pair import Setup
from report import Row

PROMPT = b"guest:"
JOB_END = b"job-end "
RAM_MIB = 256
BOOT_S = 240
JOB_S = 600
PAGE_BYTES = 4096
POWER_ON = str(int(time.time()))
# The command line that ftvm gives to a kernel unless it is told otherwise; both systems are told.
COMMAND_LINE = ("console=ttyS0,115200 nosmp noapic nolapic acpi=off pci=off mitigations=off nopti nomodeset "
                "i8042.noaux i8042.nokbd i8042.noprobe tsc=reliable no_timer_check panic=-1 "
                "random.trust_cpu=off nowatchdog")

CPU_BOUND = "dd if=/dev/zero bs=64k count={blocks} 2>/dev/null | sha256sum"
# The same in steps that can be watched.
CPU_STEPS = ("for i in $(seq {steps}); do dd if=/dev/zero bs=64k count={blocks} 2>/dev/null; "
             "echo st''ep >/dev/ttyS0; done | sha256sum")
STEP_END = b"step\r\n"
STEPS = 200
FORK_BOUND = "i=0; while [ $i -lt {count} ]; do /bin/busybox true; i=$((i+1)); done"
# Within the guest's /tmp, which holds half of its RAM. Not zeros: pages that were zero before would
# seem untouched.
MEMORY_BOUND = ("s=$(date +%s); for i in 1 2 3 4; do s=$s$s$s$s; done; echo $s >/tmp/a; i=0; "
                "while [ $i -lt {turns} ]; do cat /tmp/a /tmp/a /tmp/a /tmp/a >/tmp/b && mv /tmp/b /tmp/a; i=$((i+1)); done; "
                "cp /tmp/a /tmp/b && cmp /tmp/a /tmp/b && rm /tmp/a /tmp/b")
ENDLESS = "sha256sum /dev/zero"


@dataclasses.dataclass
class Job:
    line: str  # For the guest's shell.
    words: str


def make_jobs(small):
    """What the guest does in several figures, by name; small ones only show that a figure works."""
    blocks, count, turns = (128, 200, 6) if small else (512, 1000, 7)
    return {"CPU-bound": Job(CPU_BOUND.format(blocks=blocks), f"sha256 of {blocks // 16} MiB"),
            "fork-bound": Job(FORK_BOUND.format(count=count), f"{count} processes"),
            "memory-bound": Job(MEMORY_BOUND.format(turns=turns),
                                f"{2561 * 4 ** turns >> 20} MiB made, copied, compared")}


def typed(job):
    """The line to type; what the guest echoes of it does not look like the job's end."""
    return f"{job}; echo job-e''nd $?\n"


def do_job(console, job, seconds=JOB_S):
    """Seconds from typing a job until the client has seen its end."""
    began, since = console.type(typed(job))
    ended = console.wait(JOB_END, seconds, since)
    check_job(console, job, since)
    return ended - began


def check_job(console, job, since):
    """A job that failed was no work; the exit status stands behind its end."""
    console.wait(b"\n", 10, console.data.index(JOB_END, since))
    status = re.search(rb"job-end (\d+)", console.data[since:])
    if status is None or status[1] != b"0":
        raise BenchError(f"the guest's job failed: {job}; {console.story()}")


class Machine(Setup):
    """The guest of all figures. Its time of day is today's: a snapshot whose guest believed in another
    year would, once restored, count every second until now before it does anything else."""

    def machine(self, snapshot=True):
        arguments = ["--kernel", self.kernel, "--initramfs", self.initramfs, "--rtc", POWER_ON]
        return arguments + (["--snapshot", self.snapshot] if snapshot and self.snapshot else [])


class Bench:
    """Options, images, a folder for files, and the rows that a figure has made so far."""

    def __init__(self, options):
        self.o = options
        self.ftvm = options.ftvm
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ftvm-bench-"))
        self.setup = Machine(options.ftvm, options.kernel, options.initramfs)
        self.rows = []
        self.jobs = make_jobs(options.quick)
        self._folders = self._cpu_blocks = 0
        self.line_delay = None  # See failover_figures.line_delay.

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- saying

    def row(self, name, values, unit, target="", shown="median", note=""):
        if not values:
            raise BenchError(f"{name}: nothing was measured")
        row = Row(name, list(values), unit, target, shown, note)
        self.rows.append(row)
        print(row.line(), flush=True)
        return row

    @staticmethod
    def progress(text):
        if sys.stderr.isatty():
            print(f"\r\033[K  {text} ...\r", end="", file=sys.stderr, flush=True)

    # --- machines

    def images(self):
        return ["--kernel", self.o.kernel, "--initramfs", self.o.initramfs]

    def ftvm_booting(self, command, *more):
        """A machine that boots, under the host's clock as is the default."""
        return [self.ftvm, command, *self.images(), "--command-line", COMMAND_LINE, "--ram", str(RAM_MIB),
                "--console", "stdio", *more]

    def ftvm_booted(self, command, *more):
        """A machine that goes on from the snapshot at the prompt."""
        return [self.ftvm, command, *self.setup_with_snapshot().machine(), "--console", "stdio", *more]

    def qemu_booting(self, icount, *more):
        """The same machine as far as the guest can tell: no display and no other device, or its
        firmware had more to do than ftvm, which has none."""
        return ["qemu-system-x86_64", "-M", "pc", "-accel", "tcg", "-cpu", "qemu64", "-m", str(RAM_MIB),
                "-nodefaults", "-vga", "none", "-display", "none", "-serial", "stdio", "-no-reboot",
                "-icount", icount, "-kernel", self.o.kernel, "-initrd", self.o.initramfs,
                "-append", COMMAND_LINE, *more]

    def has_qemu(self):
        return shutil.which("qemu-system-x86_64") is not None

    def setup_with_snapshot(self):
        """The snapshot is made once: at the prompt, idle, for a machine under the host's clock."""
        if self.setup.snapshot is None:
            self.progress("saving a booted guest")
            path = self.folder / "booted.fts"
            done = self.run(self.ftvm, "snapshot", "--when", PROMPT.decode(), "--clock", "host",
                            "--out", path, *self.setup.machine())
            offset = re.search(r"console at input 0, output (\d+)", done)
            if not offset:
                raise BenchError(f"ftvm snapshot does not say where the console is: {done!r}")
            self.setup.snapshot, self.setup.start_offset = str(path), int(offset[1])
        return self.setup

    def new_folder(self, name):
        self._folders += 1
        folder = self.folder / f"{name}-{self._folders}"
        folder.mkdir()
        return folder

    # --- doing

    def run(self, *command, codes=(0,)):
        """Runs a command to its end; returns what it printed."""
        words = [str(each) for each in command]
        done = subprocess.run(words, capture_output=True, text=True, timeout=JOB_S, check=False)
        if done.returncode not in codes:
            raise BenchError(f"{' '.join(words[:2])} ... ended with {done.returncode}: "
                             f"{(done.stderr or done.stdout).strip()[-400:]}")
        return done.stdout

    def inspect(self, path):
        return json.loads(self.run(self.ftvm, "inspect", "--json", path))

    def record_job(self, job, path, seconds=JOB_S):
        """Records one job from the snapshot, without anybody's typing time in it. Returns the
        journal's summary."""
        with Console(self.ftvm_booted("record", "--journal", str(path), "--overwrite")) as console:
            console.type("\n")
            console.wait(PROMPT, BOOT_S)
            do_job(console, job, seconds)
            console.end(signal.SIGTERM)
        return self.inspect(path)

    def long_job(self):
        """A CPU-bound job of about --job-seconds on this machine, and on no other."""
        return CPU_BOUND.format(blocks=self.long_job_blocks())

    def long_job_in_steps(self):
        """As much work, nearly, in STEPS steps."""
        return CPU_STEPS.format(steps=STEPS, blocks=max(1, round(self.long_job_blocks() / STEPS)))

    def long_job_blocks(self):
        if not self._cpu_blocks:
            self.progress("finding out how long a job takes")
            with Console(self.ftvm_booted("run")) as console:
                console.type("\n")
                console.wait(PROMPT, BOOT_S)
                do_job(console, CPU_BOUND.format(blocks=32))  # Translates the code.
                blocks = 256
                seconds = do_job(console, CPU_BOUND.format(blocks=blocks))
            self._cpu_blocks = max(1, round(blocks * self.o.job_seconds / seconds))
        return self._cpu_blocks
