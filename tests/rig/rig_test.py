#!/usr/bin/env python3
"""The short list of the rig, about two minutes: one run of what must never break.

FTVM_BINARY, FTVM_KERNEL and FTVM_INITRAMFS say what to run (default: those of ./dev in build/);
FTVM_RIG_SEED another seed. Tests of the wire readers need none of them."""
import argparse
import os
import pathlib
import re
import sys
import tempfile
import time
import socket
import struct
import types
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import rig  # noqa: E402
import scenarios  # noqa: E402
import wire_format as wire  # noqa: E402
import wire_proxy  # noqa: E402
import wire_verdict  # noqa: E402

SEED = int(os.environ.get("FTVM_RIG_SEED", "1"))


class WireFormat(unittest.TestCase):
    def test_crc_is_castagnoli(self):
        self.assertEqual(wire.crc32c(b"123456789"), 0xE3069283)

    def test_varint_of_the_protobuf_document(self):
        self.assertEqual(wire.varint(b"\x96\x01", 0), (150, 2))

    def test_records_are_numbered_and_dated(self):
        mark = bytes([8 << 3 | 2, 11, 1 << 3, 7, 2 << 3 | 1]) + bytes(8)
        one = bytes([1 << 3, 5]) + mark
        body = bytes([1 << 3, 3, 2 << 3, 100]) + (bytes([3 << 3 | 2, len(one)]) + one) * 2
        found = list(wire.records(body))
        self.assertEqual([(r.seq, r.tick, r.kind, r.endpoint, r.fields[1]) for r in found],
                         [(3, 105, "output_mark", 1, 7), (4, 110, "output_mark", 1, 7)])

    def test_a_damaged_message_is_refused(self):
        with self.assertRaises(wire.Malformed):
            wire.parse_message(b"FTVM" + bytes(80))


class Verdict(unittest.TestCase):
    """The judge is shown what must not happen, and must say so."""

    TEXT = b"one two three"

    def setUp(self):
        self.wires = object.__new__(wire_verdict.Wires)
        self.wires.unreadable, self.wires.kinds, self.wires.slots = 0, {("down", wire.RECORDS): 1}, {}
        # A mark for "one ", acknowledged to the primary at 1.5, and one for the rest, at 2.0.
        self.wires.mark_ends, self.wires.mark_seqs = [4, len(self.TEXT)], [3, 5]
        self.wires.mark_times = [0.5, 1.0]
        self.wires.ack_seqs, self.wires.ack_times = [3, 5], [1.5, 2.0]
        self.shown = {"primary": [], "backup": []}

    def show(self, role, arrived, offset=0, text=TEXT, epoch=1):
        body = b"\x05" + struct.pack("<QQ", epoch, offset) + text
        frame = wire.CONSOLE_HEADER.pack(len(body), wire.crc32c(body)) + body
        capture = wire_proxy.Capture(f"console-{role}", 1, wire_proxy.DOWN)
        capture.pieces.append((arrived, arrived, frame))
        self.shown[role].append(capture)

    def judge(self, client=TEXT):
        relay = types.SimpleNamespace(of=lambda name, _: self.shown[name.removeprefix("console-")])
        console = types.SimpleNamespace(transcript=types.SimpleNamespace(data=client))
        pair = types.SimpleNamespace(relay=relay, client=console)
        return wire_verdict.judge(pair, self.wires)

    def test_an_output_behind_its_acknowledgement_is_right(self):
        self.show("primary", 2.1)
        verdict = self.judge()
        self.assertEqual((verdict.problems, verdict.acknowledged), ([], 1))

    def test_an_output_before_its_acknowledgement_is_seen(self):
        self.show("primary", 1.9)
        self.assertRegex(self.judge().problems[0], "OUTPUT RULE: .* 100.0 ms before")

    def test_an_output_without_an_acknowledgement_is_seen(self):
        self.wires.ack_seqs, self.wires.ack_times = [4], [1.5]
        self.show("primary", 1.6, text=self.TEXT[:4])
        self.assertEqual(self.judge(self.TEXT[:4]).problems, [])
        self.show("primary", 9.0)
        self.assertRegex(self.judge().problems[0], "OUTPUT RULE: .* never acknowledged")

    def test_an_output_without_a_mark_is_seen(self):
        self.show("primary", 2.1, text=self.TEXT + b"!")
        self.assertRegex(self.judge(self.TEXT + b"!").problems[0], "OUTPUT RULE")

    def test_a_survivor_must_have_won_before_it_speaks(self):
        self.wires.slots = {"backup": 3.0}
        self.show("backup", 3.1, epoch=2)
        self.assertEqual((self.judge().problems, self.judge().arbitrated), ([], 1))
        self.show("backup", 2.9, epoch=2)
        self.assertRegex(self.judge().problems[0], "OUTPUT RULE: .* the backup in epoch 2")

    def test_an_acknowledgement_lets_nobody_but_the_primary_speak(self):
        self.show("backup", 2.1)
        self.assertRegex(self.judge().problems[0], "OUTPUT RULE: .* the backup in epoch 1")

    def test_another_byte_than_before_is_seen(self):
        self.wires.slots = {"backup": 3.0}
        self.show("primary", 2.1)
        self.show("backup", 3.1, offset=4, text=b"TWO three", epoch=2)
        self.assertRegex(self.judge().problems[0], "CONTRADICTION: byte 4 of the backup in epoch 2")

    def test_a_client_that_shows_something_else_is_seen(self):
        self.show("primary", 2.1)
        for client in (b"one twO three", b"one three", self.TEXT + self.TEXT):
            self.assertRegex(self.judge(client).problems[0], "CLIENT")

    def test_a_gap_in_the_stream_is_seen(self):
        self.show("primary", 2.1, text=self.TEXT[:4])
        self.show("primary", 2.2, offset=8, text=self.TEXT[8:])
        self.assertRegex(self.judge().problems[0], "CLIENT: it shows something else from byte 4 on")

    def test_a_late_repeat_is_counted(self):
        self.wires.slots = {"backup": 3.0}
        self.show("backup", 3.1, epoch=2)
        self.show("primary", 3.2, epoch=1)
        self.assertEqual((self.judge().problems, self.judge().late_repeats), ([], 1))


class Relay(unittest.TestCase):
    def setUp(self):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.relay = wire_proxy.Relay()
        port = self.relay.add("wire", self.server.getsockname())
        self.client = socket.create_connection(("127.0.0.1", port))
        self.peer, _ = self.server.accept()
        self.peer.settimeout(5)
        self.client.settimeout(5)

    def tearDown(self):
        self.relay.close()
        for each in (self.client, self.peer, self.server):
            each.close()

    def test_it_hands_on_and_notes(self):
        self.client.sendall(b"hello")
        self.assertEqual(self.peer.recv(16), b"hello")
        arrived, handed, piece = self.relay.of("wire", wire_proxy.UP)[0].pieces[0]
        self.assertEqual(piece, b"hello")
        self.assertLessEqual(arrived, handed)

    def test_it_delays(self):
        self.relay.delay("wire", wire_proxy.UP, 0.2)
        sent = time.monotonic()
        self.client.sendall(b"late")
        self.assertEqual(self.peer.recv(16), b"late")
        self.assertGreaterEqual(time.monotonic() - sent, 0.2)

    def test_a_cut_is_a_reset(self):
        self.relay.cut("wire")
        with self.assertRaises(ConnectionResetError):
            self.peer.recv(16)

    def test_a_hole_keeps_what_it_swallowed(self):
        self.relay.black_hole("wire")
        self.client.sendall(b"kept")
        self.peer.settimeout(0.2)
        with self.assertRaises(TimeoutError):
            self.peer.recv(16)
        self.relay.black_hole("wire", on=False)
        self.peer.settimeout(5)
        self.assertEqual(self.peer.recv(16), b"kept")


class Scenarios(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        parser = argparse.ArgumentParser()
        rig.add_setup_options(parser)
        cls.options = parser.parse_args(["--lines", "120"])
        if not pathlib.Path(cls.options.ftvm).exists():
            raise unittest.SkipTest(f"{cls.options.ftvm} is not built")
        cls.folder = tempfile.mkdtemp(prefix="ftvm-rig-test-")
        cls.options.work = cls.folder
        cls.setup_, how = rig.prepare(cls.options)
        cls.results = []
        print(f"rig: seed {SEED}, {how}", flush=True)

    @classmethod
    def tearDownClass(cls):
        print("\n".join(rig.summary(cls.results)), flush=True)
        rig.clean(cls.options, cls.results)

    def check(self, scenario, seed=SEED):
        result = rig.execute(self.setup_, scenario, seed, self.options)
        self.results.append(result)
        print(result.line(), flush=True)
        if result.verdict == "skipped":
            self.skipTest(result.why)
        if result.verdict != "passed":
            self.fail(f"{result.why}\nagain: {rig.reproducer(result, self.options)}\n"
                      f"folder: {result.folder}")


def _test_of(scenario, seed):
    return lambda self: self.check(scenario, seed)


for _number, (_scenario, _seed) in enumerate([
        ("kill_primary", SEED), ("kill_primary", SEED + 1), ("kill_primary", SEED + 2),
        ("kill_backup", SEED), *((f"kill_point:{point}", SEED) for point in scenarios.POINTS),
        ("sigstop_primary", SEED), ("sigstop_backup", SEED), ("garbage", SEED),
        ("delayed_acks", SEED), ("ctl_failover", SEED), ("wrong_config", SEED), ("late_backup", SEED),
        ("two_primaries", SEED), ("stop_backup", SEED), ("channel_cut", SEED), ("host_lost", SEED),
        ("survivor_journal", SEED), ("full_disk", SEED), ("kill_in_corpus", SEED)]):
    _name = re.sub("[:.@]", "_", _scenario)
    _test = _test_of(_scenario, _seed)
    setattr(Scenarios, f"test_{_number:02}_{_name}", _test)


if __name__ == "__main__":
    unittest.main(verbosity=1)
