"""What a pair could do at most on two hosts whose speed was watched: arithmetic, beside the real thing.

A pair is as fast as the slower of its hosts at each moment; what the backup may run behind evens out
no more than that. Two hosts that are equal on the average, now the one faster and now the other, are
slower together than either."""

STEP_S = 0.001


class Progress:
    """Of a job in equal steps, by the times in seconds at which each step ended."""

    def __init__(self, ends):
        self._ends, self._step, self._began = ends, 0, 0.0

    def rate(self, at):
        """Share of the job per second, for times that rise. Beyond the end, as it was on the average."""
        while self._step < len(self._ends) and self._ends[self._step] <= at:
            self._began = self._ends[self._step]
            self._step += 1
        if self._step == len(self._ends):
            return 1 / self._ends[-1]
        return 1 / len(self._ends) / (self._ends[self._step] - self._began)


def coupled_seconds(primary_ends, backup_ends, lag_s):
    """Seconds until a primary of the one progress is through with the job, while a backup of the other
    follows: never in front, and never further behind than what is done in `lag_s` on the average."""
    primary, backup = Progress(primary_ends), Progress(backup_ends)
    ahead = lag_s * (1 / primary_ends[-1] + 1 / backup_ends[-1]) / 2
    done = followed = seconds = 0.0
    while done < 1:
        done = max(done, min(done + primary.rate(seconds) * STEP_S, followed + ahead))
        followed = min(done, followed + backup.rate(seconds) * STEP_S)
        seconds += STEP_S
    return seconds
