"""Figures of campaigns: how many simulated failovers one processor does in a second."""
import json
import pathlib
import subprocess
import time

from console import BenchError

TOY_RUNS, MACHINE_RUNS = 5000, 100


def campaign(bench):
    """The standard plan with the toy, and with a real machine whose guest is one of the corpus; one process, new
    seeds each time."""
    image = pathlib.Path(bench.ftvm).resolve().parent / "tests" / "guest" / "images" / "endless.bin"
    if not image.exists():
        raise BenchError(f"{image} is not there: ./dev build builds it")
    for name, guest, runs, target in (("toy", "toy", TOY_RUNS, ">= 500"),
                                      ("real machine", str(image), MACHINE_RUNS, ">= 5")):
        rates = []
        for turn in range(bench.o.runs):
            bench.progress(f"{name}, {turn + 1} of {bench.o.runs}")
            rates.append(failovers_per_second(bench, guest, runs, 1 + turn * runs))
        bench.row(f"simulated failovers, {name}", rates, "1/s", target, note=f"of {runs} runs each time")


def failovers_per_second(bench, guest, runs, seed):
    folder = bench.new_folder("campaign")
    plan = folder / "plan.toml"
    plan.write_text(f"guest = {json.dumps(guest)}\nruns = {runs}\nseed = {seed}\ntwice_percent = 0\n")
    began = time.monotonic()
    run = subprocess.run([bench.ftvm, "campaign", str(plan), "--jobs", "1", "--out", str(folder / "out")],
                         capture_output=True, text=True, check=False)
    seconds = time.monotonic() - began
    if run.returncode != 0:
        raise BenchError(f"seed {seed}: {run.stdout}{run.stderr}")
    return json.loads((folder / "out" / "report.json").read_text())["failovers"] / seconds
