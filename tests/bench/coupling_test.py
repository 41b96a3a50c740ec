#!/usr/bin/env python3
"""The arithmetic of the best pair: known speeds, and what a pair makes of them."""
import pathlib
import sys
import unittest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "bench"))

from coupling import coupled_seconds  # noqa: E402

STEPS = 100


def at_speeds(*halves):
    """Ends of the steps of a job of which each half takes this many seconds."""
    ends = [0.0]
    for seconds in halves:
        ends += [ends[-1] + (step + 1) * seconds / (STEPS / 2) for step in range(STEPS // 2)]
    return ends[1:]


class Coupling(unittest.TestCase):
    def check(self, seconds, primary, backup, lag_s=0.1):
        self.assertAlmostEqual(coupled_seconds(primary, backup, lag_s), seconds, delta=0.02)

    def test_equal_hosts_lose_nothing(self):
        self.check(4, at_speeds(2, 2), at_speeds(2, 2))

    def test_a_slow_backup_makes_the_primary_slow(self):
        ahead = 0.1 * (1 / 4 + 1 / 8) / 2  # What the backup need not have done at the end.
        self.check(8 * (1 - ahead), at_speeds(2, 2), at_speeds(4, 4))

    def test_a_fast_backup_makes_nothing_faster(self):
        self.check(8, at_speeds(4, 4), at_speeds(2, 2))

    def test_hosts_that_are_slow_in_turns_are_slow_all_the_time(self):
        # Each alone needs 4 s, the slow half of one beside the fast half of the other.
        self.assertGreater(coupled_seconds(at_speeds(1, 3), at_speeds(3, 1), 0.1), 5)
        self.check(4, at_speeds(3, 1), at_speeds(1, 3), lag_s=4)  # Coupled so loosely, they are not.

    def test_lag_evens_out(self):
        short, long = (coupled_seconds(at_speeds(1, 3), at_speeds(3, 1), lag_s) for lag_s in (0.1, 1))
        self.assertGreater(short, long + 0.3)


if __name__ == "__main__":
    unittest.main()
