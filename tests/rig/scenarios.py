"""What is done to a pair, and what it must look like then. Each scenario gets a rig.Run; it raises
Failure, and what it does not raise about is judged afterwards from the wires (Run.judge)."""
import os
import re
import signal
import socket
import statistics
import subprocess
import threading
import time

from corpus_scenario import kill_in_corpus
from hosts import Namespaces, Skipped
from intruder import HeartbeatTap, replayed_messages, talk, throw, throw_at_control
from pair import ROOT, Client, Failure, Node
from wire_proxy import UP

EXIT_HALTED = 5
EXIT_DISK_FULL = 6
# Here a node is stopped on purpose.
STOPPING = ("sigstop_primary", "sigstop_backup", "short_stop", "slow_backup")


def kill_points():
    """Every FTVM_KILL_POINT in the code."""
    names = set()
    for room in ("ftcore", "replay", "emulator", "devices"):
        for path in (ROOT / room).rglob("*.cc"):
            names.update(re.findall(r'FTVM_KILL_POINT\("([^"]+)"\)', path.read_text(errors="replace")))
    return sorted(names)


def survive(run, victim, survivor):
    """The victim has just gone; the survivor must finish the chain alone."""
    run.wait_end()
    run.expect_live(survivor)
    run.stop(survivor)
    if victim.alive:
        raise Failure(f"the {victim.role} is still there")


def kill_primary(run):
    """SIGKILL of the primary in the middle of the chain"""
    run.boot()
    run.type_chain()
    run.wait_random_line()
    run.fault_at = run.pair.primary.kill()
    survive(run, run.pair.primary, run.pair.backup)


def kill_backup(run):
    """SIGKILL of the backup in the middle of the chain"""
    run.boot()
    run.type_chain()
    run.wait_random_line()
    run.fault_at = run.pair.backup.kill()
    survive(run, run.pair.backup, run.pair.primary)


def kill_point(run, point="gate.ack_to_release"):
    """NAME[@primary|@backup][#PASS]: dies at this FTVM_KILL_POINT; default pass: a random one"""
    rest, _, number = point.partition("#")
    name, _, role = rest.partition("@")
    if name not in kill_points():
        raise Failure(f"no kill point {name}; there are {', '.join(kill_points())}")
    if name.startswith("arbiter."):
        return kill_in_arbiter(run, name, role or "primary")
    if name.startswith("protected."):
        return kill_at_protection(run, name)
    role = role or ("backup" if name.startswith("backup.") else "primary")
    # A chain has at least one output for each line, and a boot before it a hundred. A backup
    # acknowledges batches, at least as many.
    low, high = (20, max(21, run.lines)) if run.setup.snapshot else (20, 100 + run.lines // 2)
    number = int(number) if number else run.random.randrange(low, high)
    run.notes["pass"] = number
    run.boot(**{role: {"FTVM_KILL_AT": f"{name}:{number}"}})
    victim = getattr(run.pair, role)
    survivor = run.pair.backup if role == "primary" else run.pair.primary
    run.type_chain()
    typed_at = time.monotonic()
    run.wait_end()
    if victim.alive:
        raise Failure(f"pass {number} of {name} was never reached: nobody was killed")
    victim.expect_exit(-signal.SIGKILL)
    if victim.exited_at > typed_at:  # Before that the guest had nothing to print.
        run.fault_at = victim.exited_at
    return survive(run, victim, survivor)


def kill_in_arbiter(run, name, role):
    """At the first pass: a primary dies opening its slot, before the pair is protected; a backup in
    the middle of its takeover, and then nobody may be live."""
    environment = {role: {"FTVM_KILL_AT": f"{name}:1"}}
    if role == "primary":
        run.pair.start(**environment)
        run.pair.primary.expect_exit(-signal.SIGKILL)
        return run.pair.backup.expect_exit(EXIT_HALTED, "before this backup was in sync")
    run.boot(**environment)
    run.type_chain()
    run.wait_random_line()
    run.pair.primary.kill()
    run.chain_whole = False
    return run.pair.backup.expect_exit(-signal.SIGKILL)


def kill_at_protection(run, name):
    """The primary dies with Protected on its way. Whether it arrived decides whether the backup may
    ever ask; before it nothing was put out, so a machine that is gone contradicts nothing."""
    run.pair.start(primary={"FTVM_KILL_AT": f"{name}:1"})
    run.pair.primary.expect_exit(-signal.SIGKILL)
    if run.pair.backup.wait_role("lone", "halted") == "halted":
        run.notes["outcome"] = "gone"
        return run.pair.backup.expect_exit(EXIT_HALTED, "before this backup was in sync")
    if name == "protected.mark_to_send":
        raise Failure("the backup lives, but nobody had told it that it is in sync")
    run.notes["outcome"] = "taken over"
    run.pair.wait_prompt()
    run.type_chain()
    return survive(run, run.pair.primary, run.pair.backup)


def sigstop_primary(run):
    """SIGSTOP of the primary for 5 s: it must halt and say why"""
    run.boot()
    run.type_chain()
    run.wait_random_line()
    run.fault_at = time.monotonic()
    run.pair.primary.send(signal.SIGSTOP)
    time.sleep(5)
    if run.pair.backup.role_now() != "lone":
        raise Failure(f"after 5 s the backup is {run.pair.backup.role_now()}")
    run.pair.primary.send(signal.SIGCONT)
    run.pair.primary.expect_exit(EXIT_HALTED, r"epoch \d|arbitration")
    run.notes["said"] = repr(run.pair.primary.errors.strip().splitlines()[-1][:90])
    survive(run, run.pair.primary, run.pair.backup)


def sigstop_backup(run):
    """SIGSTOP of the backup for 5 s: it must halt and say why"""
    run.boot()
    run.type_chain()
    run.wait_random_line()
    run.fault_at = time.monotonic()
    run.pair.backup.send(signal.SIGSTOP)
    time.sleep(5)
    if run.pair.primary.role_now() != "lone":
        raise Failure(f"after 5 s the primary is {run.pair.primary.role_now()}")
    run.pair.backup.send(signal.SIGCONT)
    run.pair.backup.expect_exit(EXIT_HALTED, r"epoch \d|arbitration")
    survive(run, run.pair.backup, run.pair.primary)


def short_stop(run):
    """SIGSTOP of either node for half the detection time: nothing happens"""
    run.boot()
    run.type_chain()
    for node in (run.pair.primary, run.pair.backup):
        run.wait_line(run.lines // (4 if node is run.pair.primary else 2))
        node.send(signal.SIGSTOP)
        time.sleep(0.09)
        node.send(signal.SIGCONT)
    run.wait_end()
    run.expect_live(run.pair.primary, "primary")
    run.stop(run.pair.primary, run.pair.backup)


def delayed_acks(run):
    """Acknowledgements take 500 ms: outputs late, nothing else"""
    run.boot()
    # Outputs are as late as the lag; a short chain is enough.
    run.pair.relay.delay("channel", UP, 0.5)
    since = time.monotonic()
    run.type_chain(40)
    deadline = time.monotonic() + 15
    while "\nchain-end" not in run.pair.client.transcript.text:
        time.sleep(0.2)
        if time.monotonic() > deadline:
            status = run.pair.primary.ctl("status")
            raise Failure("40 lines take more than 15 s: duty {duty:.3f}, execution lag "
                          "{execution_lag_ms:.0f} ms, send to ack {send_to_ack_ms:.0f} ms".format(**status))
    run.notes["duty"] = round(run.pair.primary.ctl("status").get("duty", 1), 3)
    run.expect_live(run.pair.primary, "primary")
    run.pair.relay.delay("channel", UP, 0)
    run.stop(run.pair.primary, run.pair.backup)
    run.pair.close()
    verdict = run.judge()
    late = [ms for at, ms in verdict.mark_to_output_ms if at > since + 1]
    if not late or min(late) < 500 or verdict.arbitrated:
        raise Failure(f"outputs came {min(late, default=0):.0f} ms after their marks")
    run.notes["mark_to_output_ms"] = round(statistics.median(late))


def ticks_per_second(node, seconds):
    before, since = node.ctl("status")["tick"], time.monotonic()
    time.sleep(seconds)
    return (node.ctl("status")["tick"] - before) / (time.monotonic() - since)


SLOW_PERIOD_S = 0.02
# The guest of a process that runs 10% of the time is slower than a tenth, by how much depends on the
# host: each time it finds its caches cold. The run measures and says what this share came to.
SLOW_RUNS_S = 0.003
SLOWED_MIN = 5


def slow_backup(run):
    """The backup runs 3 of each 20 ms, its guest ten times slower or more: lag and memory bounded"""
    run.boot()
    run.type_chain(60)
    run.wait_line(5)
    backup, stopping = run.pair.backup, threading.Event()

    def throttle():
        while not stopping.is_set():
            backup.send(signal.SIGSTOP)
            time.sleep(SLOW_PERIOD_S - SLOW_RUNS_S)
            backup.send(signal.SIGCONT)
            time.sleep(SLOW_RUNS_S)

    thread = threading.Thread(target=throttle, daemon=True)
    memory = [node.memory_kib() for node in (run.pair.primary, backup)]
    at_full_speed = ticks_per_second(backup, 0.3)
    thread.start()
    lags, began, settled = [], time.monotonic(), None
    try:
        time.sleep(0.1)
        # It is behind now, and has something to do all the time.
        slowed = at_full_speed / max(1, ticks_per_second(backup, 0.3))
        while time.monotonic() - began < 20 and "\nchain-end" not in run.pair.client.transcript.text:
            status = run.pair.primary.ctl("status")
            lag, since = status["execution_lag_ms"], time.monotonic() - began
            if settled is None and since > 0.5 and lag < 100:
                settled = since
            # What the primary did until it saw what it is up against costs the backup ten times that.
            if settled is not None or since > 2:
                lags.append(lag)
            time.sleep(0.05)
    finally:
        stopping.set()
        thread.join()
    run.notes.update(slowed=f"{slowed:.0f}x", duty=round(status["duty"], 3))
    run.wait_end()
    run.expect_live(run.pair.primary, "primary")
    grown = [node.memory_kib() - before for node, before in zip((run.pair.primary, backup), memory)]
    run.stop(run.pair.primary, backup)
    if len(lags) < 20:
        raise Failure(f"only {len(lags)} samples of the lag; the chain is too short")
    if slowed < SLOWED_MIN:
        raise Failure(f"the backup's guest was only {slowed:.1f} times slower: that shows nothing")
    if settled is None:
        raise Failure("the execution lag never came below its target")
    p95 = sorted(lags)[int(len(lags) * 0.95)]
    run.notes.update(settled_s=round(settled, 1), lag_median=round(statistics.median(lags)),
                     lag_p95=round(p95), memory_mib=max(grown) // 1024)
    if p95 >= 200:
        raise Failure(f"p95 of the execution lag is {p95:.0f} ms, the target 100 ms")
    if max(grown) > 128 << 10:
        raise Failure(f"memory grew by {max(grown)} KiB")


def garbage(run, kinds="random,console,channel,heartbeats"):
    """Random bytes, and captured bytes again, into every port of both nodes: nothing happens"""
    kinds = kinds.split(",")
    run.boot()
    nodes = (run.pair.primary, run.pair.backup)
    ports = {node.role: node.ports() for node in nodes}
    tap = HeartbeatTap([port for _, udp in ports.values() for port in udp])
    run.type_chain(300)
    run.wait_line(20)
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for turn in range(12):
        for node in nodes:
            for port in ports[node.role][0]:
                if "random" in kinds:
                    throw(port, run.random.randbytes(run.random.choice((1, 9, 64, 500, 70000))))
                if "random" in kinds and turn % 4 == 0:
                    throw_at_control(node, run.random)
            for port in ports[node.role][1]:
                for _ in range(20 if "random" in kinds else 0):
                    udp.sendto(run.random.randbytes(run.random.randrange(1, 200)), ("127.0.0.1", port))
        for port, datagram in run.random.sample(tap.seen, min(40, len(tap.seen))):
            if "heartbeats" in kinds:
                udp.sendto(datagram, ("127.0.0.1", port))
        if "channel" in kinds and turn % 3 == 1:
            talk(run.pair.channel[1], *replayed_messages(run, turn % 2 == 0))
        if "console" in kinds and turn % 3 == 2:
            for node in nodes:
                for capture in run.pair.relay.of(f"console-{node.role}", UP)[:1]:
                    throw(node.console[1], capture.data(), read=True)
    tap.close()
    run.notes["heartbeats_seen"] = len(tap.seen)
    if "heartbeats" in kinds and tap.socket and not tap.seen:
        raise Failure("no heartbeat was seen: nothing was replayed")
    run.wait_end()
    run.expect_live(run.pair.primary, "primary")
    if run.pair.backup.role_now() != "backup":
        raise Failure(f"the backup is {run.pair.backup.role_now()}")
    run.stop(run.pair.primary, run.pair.backup)


def channel_cut(run):
    """The TCP connection of the channel is reset, heartbeats go on: one node goes on"""
    run.boot()
    run.type_chain()
    run.wait_random_line()
    run.fault_at = time.monotonic()
    run.pair.relay.cut("channel", refuse=True)
    _one_survivor(run)


def channel_hole(run):
    """The channel swallows everything for ever, heartbeats go on: one node goes on"""
    run.boot()
    run.type_chain()
    run.wait_random_line()
    run.fault_at = time.monotonic()
    run.pair.relay.black_hole("channel")
    _one_survivor(run)


def channel_hiccup(run):
    """The channel swallows everything for 3 of the 5 detection times, heartbeats go on: nothing happens"""
    run.boot()
    run.type_chain()
    run.wait_random_line()
    run.pair.relay.black_hole("channel")
    time.sleep(0.6)
    run.pair.relay.black_hole("channel", on=False)
    run.wait_end()
    run.expect_live(run.pair.primary, "primary")
    run.stop(run.pair.primary, run.pair.backup)


def _one_survivor(run, seconds=20):
    try:
        run.wait_end(seconds)
    except Failure as failure:
        roles = {node.role: node.role_now() for node in run.pair.nodes()}
        peers = {node.role: node.ctl("status")["peer"] for node in run.pair.nodes() if node.alive}
        raise Failure(f"{failure}; roles {roles}, they think {peers}") from failure
    live = [node for node in run.pair.nodes() if node.role_now() in ("lone", "primary")]
    if len(live) != 1:
        raise Failure(f"{len(live)} live nodes")
    run.stop(live[0])


def two_primaries(run):
    """A second primary on the same channel address is refused by name; a third backup as well"""
    run.boot()
    run.type_chain()
    run.wait_line(10)
    other = run.pair.start_other("primary", "second", run.pair.channel)
    other.expect_exit(1, "(?i)taken by another process")
    third = run.pair.start_other("backup", "third", run.pair.channel)
    third.expect_exit(EXIT_HALTED, "already has a backup")
    run.wait_end()
    run.expect_live(run.pair.primary, "primary")
    run.stop(run.pair.primary, run.pair.backup)


def wrong_config(run):
    """A backup with another command line is refused by the field's name; the right one is taken"""
    run.pair.start_primary()
    # From power-on: a snapshot brings its command line along.
    wrong = run.pair.start_other("backup", "wrong", run.pair.channel, ["--append", "quiet2"],
                                 snapshot=False)
    code = wrong.wait_exit()
    if code == 0 or not re.search("command.line", wrong.errors):
        raise Failure(f"the wrong backup ended with {code}: {wrong.errors!r}")
    run.notes["said"] = repr(wrong.errors.strip().splitlines()[-1][-100:])
    run.pair.start_backup()
    run.pair.start_client()
    run.pair.wait_prompt()
    run.type_chain(60)
    run.wait_end()
    run.expect_live(run.pair.primary, "primary")
    run.stop(run.pair.primary, run.pair.backup)


def wrong_arbiter(run):
    """A backup with another arbiter is refused by name"""
    run.pair.start_primary()
    other = run.folder / "elsewhere"
    other.mkdir()
    wrong = run.pair.start_other("backup", "wrong", run.pair.channel, arbiter=other)
    code = wrong.wait_exit()
    if code == 0 or not re.search("arbiter", wrong.errors):
        raise Failure(f"the wrong backup ended with {code}: {wrong.errors!r}")
    run.pair.primary.send(signal.SIGTERM)
    run.pair.primary.expect_exit(0)


def late_backup(run):
    """A backup for a machine that runs alone since a failover is refused by name"""
    run.boot()
    run.type_chain()
    run.wait_random_line()
    run.fault_at = run.pair.backup.kill()
    run.wait_end()
    late = run.pair.start_other("backup", "late", run.pair.channel)
    late.expect_exit(EXIT_HALTED, "late backup")
    run.expect_live(run.pair.primary)
    run.stop(run.pair.primary)


def ctl_failover(run):
    """A planned hand-over in the middle of the chain"""
    run.boot()
    run.type_chain()
    run.wait_random_line()
    run.fault_at = time.monotonic()
    run.pair.primary.ctl("failover")
    run.pair.primary.expect_exit(0)
    survive(run, run.pair.primary, run.pair.backup)


def ctl_pause_resume(run):
    """ctl pause stands still for longer than any detection time; resume goes on"""
    run.boot()
    run.type_chain()
    run.wait_random_line(0.1, 0.5)
    run.pair.primary.ctl("pause")
    time.sleep(0.5)
    before = len(run.pair.client.transcript.data)
    time.sleep(2.5)
    if len(run.pair.client.transcript.data) != before:
        raise Failure("a paused machine prints")
    run.expect_live(run.pair.primary, "primary")
    run.pair.primary.ctl("resume")
    run.wait_end()
    run.expect_live(run.pair.primary, "primary")
    run.stop(run.pair.primary, run.pair.backup)


def stop(run):
    """SIGTERM of the primary: both exit with 0"""
    run.boot()
    run.type_chain(40)
    run.wait_end()
    run.stop(run.pair.primary, run.pair.backup)


def stop_backup(run):
    """SIGTERM of the backup: it exits with 0 and the primary goes on alone at once"""
    run.boot()
    run.type_chain()
    run.wait_random_line()
    run.fault_at = time.monotonic()
    run.pair.backup.send(signal.SIGTERM)
    run.pair.backup.expect_exit(0)
    survive(run, run.pair.backup, run.pair.primary)


def survivor_journal(run):
    """The survivor's journal replays to the same final digest"""
    journal = run.folder / "backup.ftj"
    run.boot(backup_extra=["--journal", str(journal)])
    run.type_chain()
    run.wait_random_line()
    run.fault_at = run.pair.primary.kill()
    survive(run, run.pair.primary, run.pair.backup)
    digest = re.search(r"state ([0-9a-f]{32})", run.pair.backup.errors)
    said = _replay(run, journal)
    if digest is None or digest[1] not in said:
        raise Failure(f"wanted state {digest and digest[1]}: {said[-400:]!r}")


def _replay(run, journal):
    """What a replay says that agrees with its journal."""
    replay = subprocess.run([run.setup.ftvm, "replay", str(journal), *run.setup.machine()],
                            capture_output=True, text=True, timeout=240, check=False)
    said = replay.stdout + replay.stderr
    if replay.returncode != 0:
        raise Failure(f"the replay ended with {replay.returncode}: {said[-400:]!r}")
    return said


def full_disk(run):
    """The journal of the primary finds its quota used up: it hands over, the journal is whole so far"""
    journal = run.folder / "primary.ftj"
    # A file may have so many bytes; the journal of the whole chain has some five thousand.
    quota = run.notes["quota"] = run.random.randrange(1500, 3000)
    run.boot(primary_prefix=["prlimit", f"--fsize={quota}"], primary_extra=["--journal", str(journal)])
    run.type_chain()
    run.pair.primary.expect_exit(EXIT_DISK_FULL, "its journal could not grow")
    survive(run, run.pair.primary, run.pair.backup)
    _replay(run, journal)


def host_lost(run):
    """Network namespaces: the primary's cables and the primary go at one moment"""
    _hosts(run, kill=True)


def links_lost(run):
    """Network namespaces: only the cables of the primary's host go; the arbiter stays reachable"""
    _hosts(run, kill=False)


def _hosts(run, kill):
    if os.geteuid() != 0:
        raise Skipped("network namespaces need root")
    net = Namespaces(f"{time.monotonic_ns() // 1000 % 1000000}")
    try:
        net.make()
        channel = ("10.231.0.1", 7400)
        pair = run.pair
        for role, host, address in (("primary", 0, "10.231.1.1:7500"), ("backup", 1, "10.231.2.1:7500")):
            node = Node(role, run.folder, pair.arguments(role, channel, ["--insecure"]),
                        console=address, prefix=net.prefix(host))
            setattr(pair, role, node)
            node.wait_console()
        ports = [pair.relay.add(f"console-{node.role}", node.console) for node in pair.nodes()]
        pair.client = Client(run.setup.ftvm, run.folder, [("127.0.0.1", port) for port in ports])
        pair.wait_prompt()
        run.type_chain()
        run.wait_random_line()
        run.fault_at = time.monotonic()
        net.pull_cables(0)
        if kill:
            pair.primary.kill()
        if not kill:
            return _either_wins(run)
        survive(run, pair.primary, pair.backup)
    finally:
        net.drop()


def _either_wins(run, seconds=20):
    """Both ask the arbiter; one lives, the other halts. Of the primary nobody sees the rest."""
    nodes = (run.pair.primary, run.pair.backup)
    deadline = time.monotonic() + seconds
    while all(node.alive for node in nodes):
        if time.monotonic() > deadline:
            raise Failure(f"after {seconds} s both are there: {[node.role_now() for node in nodes]}")
        time.sleep(0.05)
    winner, loser = sorted(nodes, key=lambda node: not node.alive)
    run.notes["winner"] = winner.role
    loser.expect_exit(EXIT_HALTED, "arbitration")
    if winner is run.pair.primary:
        run.chain_whole = False
        run.expect_live(winner)
        return run.stop(winner)
    return survive(run, loser, winner)


TABLE = {name: function for name, function in list(globals().items())
         if callable(function) and getattr(function, "__module__", "") == __name__
         and name in """kill_primary kill_backup kill_point sigstop_primary sigstop_backup short_stop
         delayed_acks slow_backup garbage channel_cut channel_hole channel_hiccup two_primaries
         wrong_config wrong_arbiter late_backup ctl_failover ctl_pause_resume stop stop_backup
         survivor_journal full_disk host_lost links_lost""".split()}
TABLE["kill_in_corpus"] = kill_in_corpus
POINTS = ["gate.mark_to_send", "gate.ack_to_release", "gate.release_to_confirm",
          "backup.receipt_to_ack", "protected.mark_to_send", "protected.send_to_receipt",
          "arbiter.link_to_read@primary", "arbiter.link_to_read@backup"]
ALL = (["kill_primary", "kill_backup"] + [f"kill_point:{point}" for point in POINTS] +
       [name for name in TABLE if name not in ("kill_primary", "kill_backup", "kill_point")])
