#!/usr/bin/env python3
"""The short list of the rig, about two minutes: one run of what must never break.

FTVM_BINARY, FTVM_KERNEL and FTVM_INITRAMFS say what to run (default: those of ./dev in build/);
FTVM_RIG_SEED another seed. Tests of the wire readers need none of them."""
import argparse
import os
import pathlib
import sys
import tempfile
import time
import socket
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import rig  # noqa: E402
import wire_format as wire  # noqa: E402
import wire_proxy  # noqa: E402

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
        ("kill_backup", SEED), ("kill_point:gate.ack_to_release", SEED),
        ("kill_point:backup.receipt_to_ack", SEED), ("sigstop_primary", SEED), ("garbage", SEED),
        ("delayed_acks", SEED), ("ctl_failover", SEED), ("wrong_config", SEED), ("late_backup", SEED),
        ("survivor_journal", SEED), ("kill_in_corpus", SEED)]):
    _name = _scenario.replace(":", "_").replace(".", "_")
    _test = _test_of(_scenario, _seed)
    setattr(Scenarios, f"test_{_number:02}_{_name}", _test)


if __name__ == "__main__":
    unittest.main(verbosity=1)
