"""Rows of figures: a name, all raw values, what stands for them, a target; as a line of the table
and as JSON. It judges nothing: a missed target is shown, never an error."""
import dataclasses
import json
import os
import platform
import re
import statistics
import subprocess
import time

NAME_COLUMNS = 58


def percentile(values, percent):
    """The smallest value that `percent` of all values do not exceed (nearest rank)."""
    ordered = sorted(values)
    rank = -(-len(ordered) * percent // 100)  # Rounded up, in whole numbers.
    return ordered[max(0, int(rank) - 1)]


@dataclasses.dataclass
class Row:
    """`shown` is the statistic that the target is for: "median", or a percentile such as "p95"."""
    name: str
    values: list
    unit: str
    target: str = ""  # "<= 250" or ">= .95"
    shown: str = "median"
    note: str = ""

    def figure(self):
        if self.shown == "median":
            return statistics.median(self.values)
        return percentile(self.values, int(self.shown[1:]))

    def is_met(self):
        """None without a target."""
        if not self.target:
            return None
        relation, bound = self.target.split()
        return self.figure() <= float(bound) if relation == "<=" else self.figure() >= float(bound)

    def line(self):
        spread = f"{short(min(self.values))}..{short(max(self.values))}"
        if self.shown != "median":
            spread = f"{self.shown}; median {short(statistics.median(self.values))}, {spread}"
        elif len(self.values) >= 100:
            spread += f", p99 {short(percentile(self.values, 99))}"
        met = {None: "", True: f"target {self.target}: met", False: f"target {self.target}: MISSED"}
        tail = "  ".join(each for each in (met[self.is_met()], self.note) if each)
        return (f"  {self.name:{NAME_COLUMNS}} {short(self.figure()):>9} {self.unit:8} "
                f"({spread}, n={len(self.values)})  {tail}").rstrip()

    def to_json(self):
        return {"name": self.name, "unit": self.unit, "target": self.target, "met": self.is_met(),
                "shown": self.shown, "figure": self.figure(),
                "median": statistics.median(self.values), "min": min(self.values),
                "max": max(self.values), "p99": percentile(self.values, 99), "n": len(self.values),
                "note": self.note, "values": self.values}


def short(number):
    """Four digits, as far as they mean anything."""
    if number == 0 or abs(number) >= 1000:
        return f"{number:.0f}"
    digits = 3 if abs(number) < 10 else 2 if abs(number) < 100 else 1
    return f"{number:.{digits}f}"


class HostLoad:
    """How much of the processors' time others took since this object was made. What our processes
    took is known for those that have ended."""

    def __init__(self):
        self.began = self._look()

    @staticmethod
    def _look():
        with open("/proc/stat", encoding="ascii") as file:
            fields = [int(each) for each in file.readline().split()[1:9]]
        used = os.times()
        ours = used.user + used.system + used.children_user + used.children_system
        idle = fields[3] + fields[4]
        tick_s = 1 / os.sysconf("SC_CLK_TCK")
        return sum(fields) * tick_s, (sum(fields) - idle) * tick_s, ours

    def others(self):
        """A share of all processors: 0 is a machine of our own."""
        total, busy, ours = (now - then for now, then in zip(self._look(), self.began))
        return max(0.0, (busy - ours) / total) if total else 0.0


def _said(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    except OSError:
        return ""
    lines = done.stdout.strip().splitlines()
    return lines[0] if lines else ""


def processor_model():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def machine_facts():
    return {"processor": processor_model(), "processors": os.cpu_count(),
            "usable_processors": len(os.sched_getaffinity(0)),
            "ram_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20,
            "kernel": platform.release(), "load_before": os.getloadavg()[0],
            "virtual": _said("systemd-detect-virt", "--vm") or "unknown"}


def programs(ftvm, root):
    """What was measured: versions, and the commit of the tree this benchmark is part of."""
    return {"commit": _said("git", "-C", str(root), "rev-parse", "HEAD") or "unknown",
            "tree_is_clean": _clean(root), "ftvm": "ftvm " + _said(ftvm, "--version"),
            "qemu": _said("qemu-system-x86_64", "--version")}


def _clean(root):
    done = subprocess.run(["git", "-C", str(root), "status", "--porcelain", "-uno"],
                          capture_output=True, text=True, check=False)
    return done.returncode == 0 and not done.stdout.strip()


class Report:
    """Everything measured in one run of the benchmark. The file is written after each figure, so a
    run that is broken off keeps what it has."""

    def __init__(self, path, heading):
        self.path = path
        self.content = {"date": time.strftime("%Y-%m-%dT%H:%M:%S%z"), **heading, "complete": False,
                        "figures": {}}

    def add(self, name, seconds, others, rows, error=None):
        self.content["figures"][name] = {
            "seconds": round(seconds, 1), "others_load": round(others, 3), "error": error,
            "rows": [row.to_json() for row in rows]}
        self.write()

    def finish(self):
        self.content["complete"] = True
        self.write()

    def write(self):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_suffix(".new")
        text = json.dumps(self.content, indent=1)
        # The values of a row on one line: a thousand echoes are not a thousand lines.
        text = re.sub(r"\[\s+([-+.\d][^\[\]{}\"]*?)\s+\]",
                      lambda values: "[" + " ".join(values[1].split()) + "]", text)
        beside.write_text(text + "\n", encoding="utf-8")
        beside.replace(self.path)
