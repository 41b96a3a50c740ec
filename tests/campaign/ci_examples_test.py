#!/usr/bin/env python3
"""The commands of examples/campaign for GitHub, GitLab, Slurm and Kubernetes, run as those run them:
they succeed with the plan as it is, and fail, with the failures in the JUnit report, once its runs do.

usage: ci_examples_test.py FTVM        (a build with FTVM_TEST_POINTS)
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[2] / "examples/campaign"
TIMEOUT_S = 300
# What the service puts into a command, and a part of the runs: a CI's job is not done here.
FILLED_IN = {r"\$\{\{ matrix\.shard \}\}": "1", r"\$\{\{ github\..*? \}\}": "1", "1000000": "100",
             "/plans/": "./", "/reports/": "./reports/"}
VARIABLES = {"CI_NODE_INDEX": "1", "CI_NODE_TOTAL": "8", "SLURM_ARRAY_TASK_ID": "1", "SLURM_ARRAY_TASK_COUNT": "100",
             "SLURM_CPUS_PER_TASK": "2", "JOB_COMPLETION_INDEX": "0"}


def blocks(text, head):
    """What stands behind and, deeper than it, below each line that begins with `head`."""
    found, lines = [], text.splitlines()
    for number, line in enumerate(lines):
        if not line.strip().startswith(head):
            continue
        depth = len(line) - len(line.lstrip())
        block = [line.strip()[len(head):]]
        for below in lines[number + 1:]:
            if below.strip() and len(below) - len(below.lstrip()) <= depth:
                break
            block.append(below.strip())
        found.append(block)
    return found


def github(text):
    """Each step's command, folded as YAML's '>' says."""
    return "\n".join(" ".join(block).lstrip("> ") for block in blocks(text, "- run:"))


def gitlab(text):
    script, = blocks(text, "script:")
    return re.sub(r"\n(?!- )", " ", "\n".join(script[1:])).replace("- ", "", 1).replace("\n- ", "\n")


def kubernetes(text):
    command, = blocks(text, "- |")
    return "\n".join(command[1:])


# The file, its commands, the shell they are given to, the folder of the report.
SYSTEMS = [("github-actions.yml", github, ["bash", "-e"], "campaign"),
           ("gitlab-ci.yml", gitlab, ["bash", "-eo", "pipefail"], "campaign"),
           ("slurm.sh", str, ["bash"], "campaign-1"),
           ("kubernetes.yml", kubernetes, ["/bin/sh", "-eu"], "reports/0")]


def prepare(folder, ftvm, plant):
    """A folder in which the commands find what they name; ./dev has built already."""
    plan = (EXAMPLES / "smoke.toml").read_text().replace("runs = 20_000", "runs = 100")
    if plant:
        plan = f'plant = "{plant}"\n{plan}'
    for place in (folder, folder / "examples/campaign", folder / "build/release"):
        place.mkdir(parents=True, exist_ok=True)
    for path in (folder / "smoke.toml", folder / "examples/campaign/smoke.toml"):
        path.write_text(plan)
    for path in (folder / "build/release/ftvm", folder / "ftvm"):
        path.symlink_to(ftvm)
    (folder / "dev").write_text("#!/bin/sh\n")
    (folder / "dev").chmod(0o755)


def run(folder, name, commands, shell):
    text = commands((EXAMPLES / name).read_text())
    for pattern, value in FILLED_IN.items():
        text = re.sub(pattern, value, text)
    script = folder / "script.sh"
    script.write_text(text)
    environment = {**os.environ, **VARIABLES, "PATH": f"{folder}:{os.environ['PATH']}"}
    return subprocess.run([*shell, script], cwd=folder, env=environment, capture_output=True, text=True,
                          timeout=TIMEOUT_S, check=False)


def check(problems, ftvm, system, plant):
    name, commands, shell, report = system
    folder = Path(tempfile.mkdtemp(prefix="ftvm-ci-"))
    prepare(folder, ftvm, plant)
    done = run(folder, name, commands, shell)
    junit = folder / report / "junit.xml"
    failures = -1
    if junit.exists():
        failures = len(xml.etree.ElementTree.parse(junit).getroot().findall(".//failure"))
    as_wanted = (done.returncode != 0 and failures > 0) if plant else (done.returncode == 0 and failures == 0)
    if not as_wanted:
        problems.append(f"{name} with {plant or 'nothing'} planted: exit code {done.returncode}, {failures} failures "
                        f"in {junit}; it printed {(done.stdout + done.stderr)[-600:]!r}")
        return
    shutil.rmtree(folder)


def main():
    ftvm = Path(sys.argv[1]).resolve()
    problems = []
    for system in SYSTEMS:
        for plant in ("", "release_early"):
            check(problems, ftvm, system, plant)
    print("\n".join(problems) or f"{len(SYSTEMS)} examples succeed, and fail when their campaign does")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
