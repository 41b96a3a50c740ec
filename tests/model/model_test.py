#!/usr/bin/env python3
"""Checks docs/model/pair.pml with spin: nothing in it goes wrong, each planted bug does, and its
roles change as ftcore/protocol/role.h says.

usage: model_test.py            (needs spin and gcc)

Exit code 0 when all of it holds. An error leaves spin's trail in a folder that is printed.
"""
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "docs/model/pair.pml"
ROLES = ROOT / "ftcore/protocol/role.h"

# Bugs that are planted with -D in the model. Each must be found, or the model checks nothing.
PLANTED = ("RELEASE_EARLY", "ACK_EARLY", "TWO_WINNERS", "SYNCING_ASKS", "UNDRAINED", "NO_REISSUE",
           "LOST_GOES_ON", "BYE_EARLY")

# Events of the role table that the model has no cause for: nothing diverges in it, no operator
# acts, nobody is refused, and a run without a backup has nothing to check.
LEFT_OUT = ("diverged", "leave", "refused", "start_alone")
# Edges of other events that cannot be taken in it: a run that ends before it was protected, and a
# higher epoch for a node that is not in the pair's.
LEFT_OUT_EDGES = {("waiting", "end"), ("joining", "end"), ("waiting", "higher_epoch"),
                  ("joining", "higher_epoch"), ("lone", "higher_epoch"),
                  ("syncing", "higher_epoch")}

# Where nothing more can happen is the model's own to judge (-E).
SEARCH = ("-m1000000", "-E")


def snake(name):
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


def table_edges():
    edges = re.findall(r"\{Role::k(\w+), RoleEvent::k(\w+), Role::k(\w+)\}", ROLES.read_text())
    return {tuple(snake(part) for part in edge) for edge in edges}


def model_edges():
    text = MODEL.read_text()
    found = re.findall(r"\bstep\(\w+, (\w+), (\w+), (\w+)\)", text)
    return {edge for edge in found if edge != ("from", "event", "to")}


def compare_tables():
    """Differences between the two tables, a line each."""
    table, model = table_edges(), model_edges()
    expected = {edge for edge in table
                if edge[1] not in LEFT_OUT and edge[:2] not in LEFT_OUT_EDGES}
    problems = [f"the model takes {edge}, which is not in role.h" for edge in model - table]
    problems += [f"the model never takes {edge}" for edge in expected - model]
    problems += [f"{edge} is listed as left out, and the model takes it" for edge in
                 model - expected if edge in table]
    return sorted(problems)


def check(folder, defines):
    """The output of the verifier for the model with these definitions."""
    folder.mkdir()
    flags = [f"-D{define}" for define in defines]
    subprocess.run(["spin", *flags, "-a", str(MODEL)], cwd=folder, check=True,
                   capture_output=True, text=True)
    subprocess.run(["gcc", "-O2", "-w", "-DSAFETY", "-DVECTORSZ=2048", "-o", "pan", "pan.c"],
                   cwd=folder, check=True)
    run = subprocess.run(["./pan", *SEARCH], cwd=folder, check=True,
                         capture_output=True, text=True)
    return run.stdout


def errors_of(output):
    found = re.search(r"errors: (\d+)", output)
    if "max search depth too small" in output or found is None:
        raise SystemExit("model_test: the search was not exhaustive:\n" + output)
    return int(found.group(1))


def main():
    for tool in ("spin", "gcc"):
        if shutil.which(tool) is None:
            raise SystemExit(f"model_test: there is no {tool}; ./dev test installs it")
    problems = compare_tables()
    folder = Path(tempfile.mkdtemp(prefix="ftvm-model-"))
    output = check(folder / "sound", [])
    states = re.search(r"(\S+) states, stored", output)
    print(f"the protocol: {errors_of(output)} errors in {states.group(1)} states")
    if errors_of(output) != 0:
        problems.append("the model has an error: " +
                        next(line for line in output.splitlines() if line.startswith("pan:")) +
                        f"; spin -t -p {MODEL} in {folder}/sound shows how")
    for bug in PLANTED:
        found = errors_of(check(folder / bug.lower(), [bug])) != 0
        print(f"{bug}: {'found' if found else 'not found'}")
        if not found:
            problems.append(f"{bug} was planted and not found")
    for problem in problems:
        print("model_test: " + problem, file=sys.stderr)
    if not problems:
        shutil.rmtree(folder)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
