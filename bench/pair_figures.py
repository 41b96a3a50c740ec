"""Figures of a protected pair that is busy: its speed, its lag, its memory."""
import statistics

from console import BenchError, Console, peak_kib, pump, wait_all
from coupling import coupled_seconds
from pairs import BenchPair, Throttle
from report import short
from systems import (BOOT_S, CPU_BOUND, ENDLESS, JOB_END, JOB_S, PROMPT, RAM_MIB, STEP_END, STEPS, check_job, do_job,
                     typed)
from wire_proxy import UP

SETTLE_S = 3  # Lag control, and a host's scheduler, need a moment.
SETTLED_S = 0.3  # Nobody has anything left to do from before.
DELAY_S = 0.5
LAG_TARGET_S = 0.1  # Of --lag-target, by default.


# -------------------------------------------------------------------------------------- protected

def protected(bench):
    """The same job on a pair and on two unrelated machines side by side, in turns of some seconds that
    change in who begins. All of them are there all the time, idle when it is not their turn. A third
    part of each turn watches the two machines at a job in steps: what could the best pair do here?"""
    job, steps = bench.long_job(), bench.long_job_in_steps()
    speeds, bounds, shares, pair_s, plain_s, duties = [], [], [], [], [], []
    for group in range(bench.o.pairs):
        with BenchPair(bench) as pair, Console(bench.ftvm_booted("run")) as one, \
                Console(bench.ftvm_booted("run")) as other:
            plain = (one, other)
            wait_prompts(*plain)
            parts = [lambda: do_protected(pair, job), lambda: do_plain(plain, job), lambda: do_watched(plain, steps)]
            for part in parts:
                part()  # Translates the code.
            for turn in range(bench.o.protected_turns):
                bench.progress(f"set {group + 1} of {bench.o.pairs}, turn {turn + 1} of {bench.o.protected_turns}")
                done = {}
                for index in ((0, 1, 2) if turn % 2 == 0 else (2, 1, 0)):
                    done[index] = parts[index]()
                seconds, duty = done[0]
                speeds.append(statistics.mean(done[1]) / seconds)
                bounds.append(done[2])
                shares.append(speeds[-1] / bounds[-1])
                pair_s.append(seconds)
                plain_s.extend(done[1])
                duties.append(statistics.mean(duty))
    bench.row("CPU-bound job, protected", pair_s, "s")
    bench.row("CPU-bound job, plain, two side by side", plain_s, "s")
    bench.row("speed: protected / plain", speeds, "ratio", ">= .98",
              note="each: " + " ".join(short(each) for each in speeds))
    bench.row("the best pair / plain, by arithmetic", bounds, "ratio",
              note=f"two plain machines, watched, the one never more than {LAG_TARGET_S * 1000:.0f} ms behind the other")
    bench.row("speed: protected / the best pair", shares, "ratio")
    bench.row("duty of the primary meanwhile", duties, "share", note="means; below 1 lag control slows it")


def wait_prompts(*consoles):
    """The prompt itself was printed before the snapshot."""
    for each in consoles:
        each.type("\n")
    wait_all([(each, PROMPT, 0) for each in consoles], BOOT_S)


def do_protected(pair, job):
    """Seconds, and the duty four times in each of them."""
    duty = []
    pump([pair.console], SETTLED_S)
    began, since = pair.console.type(typed(job))
    while JOB_END not in pair.console.data[since:]:
        duty.append(pair.status()["duty"])
        pump([pair.console], 0.25)
    ended = pair.console.wait(JOB_END, 1, since)
    check_job(pair.console, job, since)
    return ended - began, duty


def do_plain(consoles, job):
    """Seconds of each, at the same time."""
    pump(consoles, SETTLED_S)
    begun = [each.type(typed(job)) for each in consoles]
    ended = wait_all([(each, JOB_END, since) for each, (_, since) in zip(consoles, begun)], JOB_S)
    for each, (_, since) in zip(consoles, begun):
        check_job(each, job, since)
    return [end - began for end, (began, _) in zip(ended, begun)]


def do_watched(consoles, job):
    """How much slower than the mean of both would the one be, were the other its backup? Both are
    taken for the primary."""
    pump(consoles, SETTLED_S)
    begun = [each.type(typed(job)) for each in consoles]
    wait_all([(each, JOB_END, since) for each, (_, since) in zip(consoles, begun)], JOB_S)
    ends = []
    for each, (began, since) in zip(consoles, begun):
        check_job(each, job, since)
        ends.append([at - began for at in each.times_of(STEP_END, since)])
        if len(ends[-1]) != STEPS:
            raise BenchError(f"{len(ends[-1])} of {STEPS} steps were seen; {each.story()}")
    mean = statistics.mean(each[-1] for each in ends)
    return mean / statistics.mean(coupled_seconds(*order, LAG_TARGET_S) for order in (ends, ends[::-1]))


# -------------------------------------------------------------------------------------------- lag

def lag(bench):
    """Execution lag as the primary measures it, guest busy all the time: as the pair is, and with a
    backup that is stopped for 18 ms of each 20."""
    seconds, lags, slowed, duties, duties_slowed, shares = bench.o.lag_seconds, [], [], [], [], []
    for turn in range(bench.o.lag_pairs):
        bench.progress(f"busy pair {turn + 1} of {bench.o.lag_pairs}")
        with BenchPair(bench) as pair:
            pair.console.type(ENDLESS + "\n")
            found = pair.sample(seconds, skip=SETTLE_S)
            lags += [each["execution_lag_ms"] for each in found]
            duties += [each["duty"] for each in found]
            with Throttle(pair.backup, run_ms=2, stop_ms=18) as throttle:
                found = pair.sample(seconds, skip=SETTLE_S)
            slowed += [each["execution_lag_ms"] for each in found]
            duties_slowed += [each["duty"] for each in found]
            shares.append(throttle.share)
    bench.row("execution lag, busy pair", lags, "ms", "<= 200", "p95")
    bench.row("duty of the primary, busy pair", duties, "share")
    bench.row("execution lag, backup slowed tenfold", slowed, "ms", "<= 200", "p95",
              note=f"it really ran {100 * statistics.median(shares):.0f} % of the time")
    bench.row("duty of the primary, backup slowed tenfold", duties_slowed, "share")


# -------------------------------------------------------------------------------------- late acks

def late_acks(bench):
    """Instructions of a busy guest per second while acknowledgements take 500 ms, against the same
    pair without that; phases take turns. The guest never idles, so its ticks are its work."""
    work, ratios, duties = {False: [], True: []}, [], []
    with BenchPair(bench, relayed=True) as pair:
        pair.console.type(ENDLESS + "\n")
        for turn in range(bench.o.runs):
            for late in ((False, True) if turn % 2 == 0 else (True, False)):
                bench.progress(f"{'delayed' if late else 'undelayed'}, {turn + 1} of {bench.o.runs}")
                pair.relay.delay("channel", UP, DELAY_S if late else 0)
                found = pair.sample(bench.o.phase_seconds, skip=SETTLE_S)
                work[late].append(ticks_per_second(found))
                if late:
                    duties.append(statistics.median(each["duty"] for each in found))
            ratios.append(work[True][-1] / work[False][-1])
    bench.row("guest work, acknowledgements at once", [each / 1e6 for each in work[False]], "M/s")
    bench.row("guest work, acknowledgements 500 ms late", [each / 1e6 for each in work[True]], "M/s")
    bench.row("guest speed: late / at once", ratios, "ratio", ">= .95")
    bench.row("duty of the primary while they are late", duties, "share", note="medians")


def ticks_per_second(samples):
    first, last = samples[0], samples[-1]
    return (last["tick"] - first["tick"]) / (last["sampled_at"] - first["sampled_at"])


# ----------------------------------------------------------------------------------------- memory

def memory(bench):
    """Peak resident size of both nodes after a guest has filled its RAM and run every job; the
    backup is slowed at the end, so that buffers fill, too."""
    peaks, filled = {"primary": [], "backup": []}, []
    for turn in range(bench.o.memory_pairs):
        bench.progress(f"pair {turn + 1} of {bench.o.memory_pairs}")
        with BenchPair(bench) as pair:
            for job in bench.jobs.values():
                do_job(pair.console, job.line)
            filled.append(fill_ram(pair.console))
            pair.console.type("\n")
            with Throttle(pair.backup, run_ms=2, stop_ms=18):
                do_job(pair.console, CPU_BOUND.format(blocks=64))
            for role, values in peaks.items():
                values.append(peak_kib(getattr(pair, role).pid) / 1024)
    for role, values in peaks.items():
        bench.row(f"peak RSS, {role}", values, "MiB", note=f"guest RAM {RAM_MIB} MiB, "
                  f"{statistics.median(filled):.0f} MiB of it in use at once")
        bench.row(f"peak RSS less guest RAM, {role}", [each - RAM_MIB for each in values], "MiB", "<= 150")


def fill_ram(console):
    """Writes files until hardly any RAM is free, then removes them; returns MiB in use at that
    moment, the kernel's own included."""
    fill = ("mount -o remount,size=100% /tmp && f=$(awk '/MemAvailable/ {print int($2/1024)-24}' /proc/meminfo) && "
            "dd if=/dev/zero of=/tmp/fill bs=1M count=$f 2>/dev/null && "
            "echo in-u''se $(awk '/MemFree/ {print int($2/1024)}' /proc/meminfo) && rm /tmp/fill")
    since = len(console.data)
    do_job(console, fill)
    free = int(console.data.split(b"in-use ")[-1].split()[0]) if b"in-use " in console.data[since:] else 0
    return RAM_MIB - free
