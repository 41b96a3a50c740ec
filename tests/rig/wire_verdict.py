"""The output rule, judged from the wires and the arbiter's storage alone: no word of a suspect's own
diagnostics is believed.

Claims checked, for every console byte that a node gave to its client:
1. Either the journal's mark of that byte had been acknowledged, and the acknowledgement handed to
   the primary, before the byte came out; or the arbiter's slot named that node before it came out.
2. No two nodes ever gave different bytes for one offset.
3. The client showed exactly these bytes, without a gap.
"""
import bisect
import dataclasses
import time

import wire_format as wire
from wire_proxy import DOWN, UP


@dataclasses.dataclass
class Verdict:
    problems: list
    outputs: int = 0
    marks: int = 0
    acknowledged: int = 0   # Outputs that came out because their mark was acknowledged.
    arbitrated: int = 0     # Because their node had won.
    late_repeats: int = 0   # From an older epoch, after a newer one had spoken.
    unreadable: int = 0
    mark_to_output_ms: list = dataclasses.field(default_factory=list)
    first_of_epoch: dict = dataclasses.field(default_factory=dict)


class Wires:
    """Everything the captures of one run say."""

    def __init__(self, pair):
        self.relay, self.base = pair.relay, pair.setup.start_offset
        self.mark_ends, self.mark_seqs, self.mark_times = [], [], []
        self.ack_seqs, self.ack_times = [], []
        self.incarnations, self.bytes = {}, {}
        self.kinds, self.records, self.unreadable = {}, {}, 0
        self._read_channel()
        self.slots = self._read_slots(pair.arbiter)

    def _read_channel(self):
        end, last = self.base, 0
        for message in self._messages(DOWN):
            if message.type == wire.WELCOME:
                self.incarnations["primary"] = message.fields()[3]
            if message.type != wire.RECORDS:
                continue
            for record in wire.records(message.body):
                self.records[record.kind] = self.records.get(record.kind, 0) + 1
                if record.seq <= last:
                    continue
                last = record.seq
                if record.kind == "output_mark" and record.endpoint == wire.CONSOLE_ENDPOINT:
                    end += record.fields.get(1, 0)
                    self.mark_ends.append(end)
                    self.mark_seqs.append(record.seq)
                    self.mark_times.append(message.arrived)
        highest = -1
        for message in self._messages(UP):
            if message.type == wire.HELLO:
                self.incarnations.setdefault("backup", message.fields()[2])
            if message.type != wire.ACK or message.handed is None:
                continue
            accepted = message.fields().get(1, 0)
            if accepted > highest:
                highest = accepted
                self.ack_seqs.append(accepted)
                self.ack_times.append(message.handed)

    def _messages(self, direction):
        for capture in self.relay.of("channel", direction):
            self.bytes[direction] = self.bytes.get(direction, 0) + len(capture.data())
            if not capture.pieces:
                continue
            try:
                for message in wire.peer_messages(capture):
                    key = (direction, message.type)
                    self.kinds[key] = self.kinds.get(key, 0) + 1
                    yield message
            except wire.Malformed:
                self.unreadable += 1

    def _read_slots(self, folder):
        """Who holds a slot, and since when on the monotonic clock. A file's time is that of its
        writing, a little before the link(2) that counts."""
        to_monotonic = time.monotonic() - time.time()
        slots = {}
        for path in folder.iterdir():
            if path.name.endswith(".open") or ".epoch-" not in path.name:
                continue
            text = path.read_text(errors="replace")
            for role, incarnation in self.incarnations.items():
                if incarnation.hex() in text:
                    slots[role] = path.stat().st_mtime + to_monotonic
        return slots

    def acknowledged_at(self, end):
        """When the primary could know that the backup has every mark up to this offset."""
        mark = bisect.bisect_left(self.mark_ends, end)
        if mark == len(self.mark_ends):
            return None, None
        ack = bisect.bisect_left(self.ack_seqs, self.mark_seqs[mark])
        when = self.ack_times[ack] if ack < len(self.ack_times) else None
        return when, self.mark_times[mark]


def judge(pair, wires=None):
    wires = wires or Wires(pair)
    verdict = Verdict([], marks=len(wires.mark_ends), unreadable=wires.unreadable)
    if wires.unreadable:
        verdict.problems.append(f"{wires.unreadable} captures of the channel can not be read")
    known, newest = {}, 0
    shown = [(output.arrived, role, output) for role in ("primary", "backup")
             for capture in pair.relay.of(f"console-{role}", DOWN)
             for output in wire.console_outputs(capture)]
    for arrived, role, output in sorted(shown, key=lambda each: each[0]):
        verdict.outputs += 1
        newest = max(newest, output.epoch)
        verdict.late_repeats += output.epoch < newest
        verdict.first_of_epoch.setdefault(output.epoch, arrived)
        for index, byte in enumerate(output.bytes):
            if known.setdefault(output.offset + index, byte) != byte:
                verdict.problems.append(
                    f"CONTRADICTION: byte {output.offset + index} of the {role} in epoch "
                    f"{output.epoch} is not what was given out before")
                break
        end = output.offset + len(output.bytes)
        when, marked = wires.acknowledged_at(end)
        if not wires.kinds:
            continue  # The channel did not go through the relay: the other two claims remain.
        if role == "primary" and when is not None and when <= arrived:
            verdict.acknowledged += 1
            verdict.mark_to_output_ms.append((arrived, (arrived - marked) * 1000))
        elif role in wires.slots and wires.slots[role] <= arrived:
            verdict.arbitrated += 1
        else:
            verdict.problems.append(
                f"OUTPUT RULE: bytes up to {end} left the {role} in epoch {output.epoch}, "
                f"{'never acknowledged' if when is None else f'{(when - arrived) * 1000:.1f} ms before their acknowledgement'}"
                f", slots {sorted(wires.slots)}")
    _judge_client(pair, known, verdict)
    verdict.problems = verdict.problems[:5]
    return verdict


def _judge_client(pair, known, verdict):
    if pair.client is None or not pair.client.transcript.data:
        return
    data = pair.client.transcript.data
    first = min(known, default=0)
    wanted = bytes(known.get(first + index, 0) for index in range(len(data)))
    if len(data) > len(known) or wanted != data:
        at = next((i for i, (a, b) in enumerate(zip(data, wanted)) if a != b), min(len(data), len(known)))
        verdict.problems.append(f"CLIENT: it shows something else from byte {first + at} on")
