"""Figures of output latency: what protection adds between the guest's writing and the client's
reading."""
import random
import select
import time

import wire_verdict
from console import BenchError, pump
from pairs import BenchPair, LoneNode
from report import percentile

LINE_BYTES = 60       # Typed characters to a line; the guest's terminal holds no endless one.
WARM_UP = 20
BLOCKS = 10
ECHO_S = 10
PAUSE_S = (0.005, 0.025)


def latency(bench):
    """A typed character until its echo, by the guest's terminal driver. A pair and an unprotected
    machine stand side by side, idle but for this, and the characters go to either in random order."""
    with BenchPair(bench) as pair, LoneNode(bench) as lone:
        consoles = {"protected": pair.console, "unprotected": lone.console}
        values = {name: [] for name in consoles}
        for console in consoles.values():
            since = console.type("stty -echoctl; echo re''ady; cat > /dev/null\n")[1]
            console.wait(b"ready\r\n", 30, since)
        pump(list(consoles.values()), 1)
        duties = []
        order = [name for name in consoles for _ in range(bench.o.echoes + WARM_UP)]
        rng = random.Random(1)
        rng.shuffle(order)
        for count, name in enumerate(order):
            if count % 50 == 0:
                bench.progress(f"echo {count} of {len(order)}")
                duties.append(pair.status()["duty"])  # Also: it is protected all the time.
            values[name].append(echo_ms(consoles[name], len(values[name])))
            pump(list(consoles.values()), rng.uniform(*PAUSE_S))
        duties.append(pair.status()["duty"])
    values = {name: found[WARM_UP:] for name, found in values.items()}
    for name, found in values.items():
        bench.row(f"typed to echo, {name}", found, "ms")
    bench.row("added output latency, p50", added(values, BLOCKS, 50), "ms", "<= 2",
              note=f"of {BLOCKS} blocks, one after the other")
    bench.row("added output latency, p99", added(values, 1, 99), "ms")
    bench.row("duty of the primary meanwhile", duties, "share")
    mark_to_output(bench)


def added(values, blocks, percent):
    """Differences of a percentile, one for each block of echoes that were measured at the same time."""
    size = len(values["protected"]) // blocks
    cuts = [slice(index * size, (index + 1) * size) for index in range(blocks)]
    return [percentile(values["protected"][cut], percent) - percentile(values["unprotected"][cut], percent)
            for cut in cuts]


def echo_ms(console, count):
    """Types one character; nothing else is on its way then."""
    if count % LINE_BYTES == LINE_BYTES - 1:
        console.type("\n")
        pump([console], 0.05)
    before = len(console.data)
    typed_at, _ = console.type("x")
    deadline = typed_at + ECHO_S
    while len(console.data) == before:
        if not select.select([console.output], [], [], max(0, deadline - time.monotonic()))[0]:
            raise BenchError(f"no echo within {ECHO_S} s; {console.story()}")
        console.take()
    if console.data[before:] != b"x":
        raise BenchError(f"typed 'x', the guest answered {bytes(console.data[before:])!r}")
    return 1000 * (console.piece_times[-1] - typed_at)


def mark_to_output(bench):
    """The same directly, from the wires of a pair: an output's mark passes to the backup, then the
    output passes to the client. The relay's two hops in between are part of it."""
    bench.progress("from marks to outputs")
    with BenchPair(bench, relayed=True) as pair:
        since = pair.console.type("stty -echoctl; echo re''ady; cat > /dev/null\n")[1]
        pair.console.wait(b"ready\r\n", 30, since)
        began = time.monotonic()
        for count in range(bench.o.echoes):
            echo_ms(pair.console, count)
            pump([pair.console], PAUSE_S[0])
        verdict = wire_verdict.judge(pair)
    if verdict.problems:
        raise BenchError("; ".join(verdict.problems))
    bench.row("mark on the wire to output, through the relay",
              [ms for at, ms in verdict.mark_to_output_ms if at >= began], "ms")
