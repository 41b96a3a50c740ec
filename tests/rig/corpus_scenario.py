"""The Linux guest corpus typed into the console of a pair whose primary dies somewhere in it: every
program must give its verdict once, with the hash that it gives on a machine of its own."""
import re
import subprocess
import time

from pair import PROMPT, Failure

PROGRAMS = ("jit", "signals", "forks")
TYPED = "; ".join(f"corpus {name}" for name in PROGRAMS) + "; echo corpus-end\n"
VERDICT = re.compile(r"^(\w+) (ok|FAILED) (.*?)\r?$", re.M)
END = re.compile(r"^corpus-end", re.M)
PROGRAMS_S, TAKEOVER_S = 150, 20


def verdicts(text):
    return [(name, f"{verdict} {what}") for name, verdict, what in VERDICT.findall(text)
            if name in PROGRAMS]


def plain_run(run):
    """Verdicts of a machine on its own that starts where a pair does, and its last tick."""
    script, journal = run.folder / "plain.script", run.folder / "plain.ftj"
    prompt = "" if run.setup.snapshot else f'wait "{PROMPT}"\n'
    typed = TYPED.replace("\n", "\\n")
    script.write_text(f'{prompt}send "{typed}"\nwait "forks"\nwait "\\ncorpus-end"\nstop\n')
    plain = subprocess.run(
        [run.setup.ftvm, "record", *run.setup.machine(), "--clock", "host", "--script", str(script),
         "--journal", str(journal)], capture_output=True, timeout=PROGRAMS_S, check=False)
    if plain.returncode != 0:
        raise Failure(f"the plain run ended with {plain.returncode}: {plain.stderr[-400:]!r}")
    found = verdicts(plain.stdout.decode(errors="replace"))
    if [name for name, what in found if what.startswith("ok ")] != list(PROGRAMS):
        raise Failure(f"the plain run says {found}")
    end = subprocess.run([run.setup.ftvm, "digest", str(journal)], capture_output=True, text=True,
                         timeout=60, check=True).stdout
    return found, int(re.search(r"^tick +(\d+) +all ", end, re.M)[1])


def wait_tick(run, tick):
    """Or the end of the programs: on a busy host they need fewer ticks to see as many alarms."""
    deadline = time.monotonic() + PROGRAMS_S
    while (status := run.pair.primary.ctl("status"))["tick"] < tick:
        if END.search(run.pair.client.transcript.text):
            return
        if time.monotonic() > deadline:
            raise Failure("the primary stands at tick {tick} with duty {duty:.3f}, execution lag "
                          "{execution_lag_ms:.0f} ms".format(**status))
        time.sleep(0.002)


def wait_lone(node):
    deadline = time.monotonic() + TAKEOVER_S
    while (role := node.role_now()) != "lone":
        if time.monotonic() > deadline:
            raise Failure(f"the {node.role} is {role}, not lone")
        time.sleep(0.01)


def kill_in_corpus(run):
    """SIGKILL of the primary while the guest runs programs whose results are known"""
    plain, end = plain_run(run)
    run.boot()
    pair = run.pair
    began = pair.primary.ctl("status")["tick"]
    pair.client.type(TYPED)
    part = run.random.uniform(0.02, 0.8)
    wait_tick(run, began + int((end - began) * part))
    run.fault_at = pair.primary.kill()
    before = verdicts(pair.client.transcript.text)
    run.notes.update(at=f"{part:.2f}", verdicts_before=len(before))
    pair.client.transcript.wait(END.pattern, PROGRAMS_S, "the end of the corpus")
    wait_lone(pair.backup)
    run.expect_live(pair.backup)
    run.stop(pair.backup)
    found = verdicts(pair.client.transcript.text)
    if found != plain:
        raise Failure(f"CLIENT: the verdicts are {found}, on a machine of its own {plain}")
