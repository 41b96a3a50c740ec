#!/usr/bin/env python3
"""A Debian guest prints a hash chain; its primary is killed in the middle; the same console goes on.

usage: demo.py FTVM KERNEL INITRAMFS [--lines N] [--seed N]
Exit code 0 when the chain is whole: every line once, in order.
"""
import argparse
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

import chain

PROMPT = "guest:"


class Transcript:
    """What the console client has shown so far, with the time of each piece."""

    def __init__(self, stream):
        self.pieces = []
        self.text = ""
        self.changed = threading.Condition()
        threading.Thread(target=self.read, args=(stream,), daemon=True).start()

    def read(self, stream):
        while piece := os.read(stream.fileno(), 65536):
            with self.changed:
                self.pieces.append((time.monotonic(), piece))
                self.text += piece.decode(errors="replace")
                self.changed.notify_all()

    def wait(self, pattern, seconds, what):
        deadline = time.monotonic() + seconds
        with self.changed:
            while not re.search(pattern, self.text, re.M):
                left = deadline - time.monotonic()
                if left <= 0:
                    raise SystemExit(f"demo: {what} did not come within {seconds} s; the console ends with:\n"
                                     + self.text[-500:])
                self.changed.wait(left)

    def longest_gap(self, begin, end):
        times = [begin] + [t for t, _ in self.pieces if begin < t <= end] + [end]
        return max(b - a for a, b in zip(times, times[1:]))


class Node:
    def __init__(self, role, folder, arguments):
        self.role = role
        self.diag = folder / f"{role}.diag"
        self.process = subprocess.Popen(
            [*arguments, "--console", "numbered:127.0.0.1:0", "--diag", str(self.diag), "--name", role],
            stderr=subprocess.PIPE, text=True)
        self.address = None
        self.errors = ""
        for line in self.process.stderr:
            self.errors += line
            if line.startswith("console: numbered:"):
                self.address = line.split("numbered:", 1)[1].strip()
                break
        if self.address is None:
            raise SystemExit(f"demo: the {role} did not start:\n{self.errors}")
        threading.Thread(target=self.drain, daemon=True).start()

    def drain(self):
        for line in self.process.stderr:
            self.errors += line

    def story(self, events):
        for line in self.diag.read_text().splitlines():
            event = json.loads(line)
            if event["event"] in events:
                facts = ", ".join(f"{k} {v}" for k, v in event.items() if k not in ("level", "event", "node"))
                print(f"    {self.role:8} {event['event']:16} {facts}")


def free_port():
    import socket
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run(options, folder):
    started = time.monotonic()
    channel = f"127.0.0.1:{free_port()}"
    (folder / "arbiter").mkdir()
    common = ["--kernel", options.kernel, "--initramfs", options.initramfs, "--channel", channel,
              "--arbiter", f"file:{folder}/arbiter", *(["--snapshot", options.snapshot] if options.snapshot else [])]
    print("1. a primary and its backup boot the same Debian kernel in lockstep")
    primary = Node("primary", folder, [options.ftvm, "primary", *common])
    backup = Node("backup", folder, [options.ftvm, "backup", *common])
    console = subprocess.Popen([options.ftvm, "console", "--connect", f"{primary.address},{backup.address}"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    transcript = Transcript(console.stdout)
    try:
        if options.snapshot:
            console.stdin.write(b"\n")
            console.stdin.flush()
        transcript.wait(re.escape(PROMPT), 300, "the guest's prompt")
        print(f"   shell prompt on the console after {time.monotonic() - started:.1f} s")
        print(f"2. a client types a loop that prints a chain of {options.lines} hashes")
        console.stdin.write(chain.shell_command(options.lines).encode() + b"\n")
        console.stdin.flush()
        victim_line = random.Random(options.seed).randrange(options.lines // 5, options.lines * 4 // 5)
        transcript.wait(rf"^chain {victim_line} [0-9a-f]+", 120, f"line {victim_line}")
        killed = time.monotonic()
        primary.process.send_signal(signal.SIGKILL)
        print(f"3. kill -9 of the primary, just after line {victim_line}")
        transcript.wait(r"^chain-end", 120, "the end of the chain")
        done = time.monotonic()
        wrong = chain.problems(transcript.text, options.lines)
        gap = transcript.longest_gap(killed, done)
        print(f"4. the same console went on: {gap * 1000:.0f} ms without output, then line after line")
        print("5. what the two nodes say:")
        story = ("role.changed", "primary.lost", "arbiter.answered", "backup.live")
        primary.story(story)
        backup.story(story)
        if wrong:
            print("the chain is broken: " + "; ".join(wrong))
            return 1
        print(f"the chain is whole: {options.lines} lines, each once, each hash right")
        return 0
    finally:
        for process in (console, backup.process, primary.process):
            process.terminate()
        for process in (console, backup.process, primary.process):
            process.wait(10)


def main():
    # So that whoever ends this also ends the pair.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    parser = argparse.ArgumentParser()
    parser.add_argument("ftvm")
    parser.add_argument("kernel")
    parser.add_argument("initramfs")
    parser.add_argument("--snapshot", help="start from it instead of booting")
    parser.add_argument("--lines", type=int, default=400)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ftvm-demo-") as folder:
        sys.exit(run(options, pathlib.Path(folder)))


if __name__ == "__main__":
    main()
