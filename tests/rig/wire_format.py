"""Readers of what wire_proxy captured: ZMTP 3 frames, our frame and envelope, the protobuf bodies
that a verdict needs, and the numbered console. Written from the documents, not from the code.

Source: ZMTP 3.1 (rfc.zeromq.org/spec/37); docs/formats/wire.md and journal.md; proto/*.proto;
devices/host/numbered_protocol.h."""
import dataclasses
import struct

ZMTP_GREETING_BYTES = 64
FRAME_HEADER = struct.Struct("<4sBBIH")
ENVELOPE = struct.Struct("<I16s16sQ")
CONSOLE_HEADER = struct.Struct("<II")
(HELLO, WELCOME, JOINED, REFUSE, RECORDS, PROGRESS, ACK, KEEPALIVE, BYE, HIGHER_EPOCH) = range(64, 74)
CONSOLE_ENDPOINT = 1
RECORD_KINDS = {3: "clock_sync", 4: "console_bytes", 5: "net_frame", 6: "disk_done", 7: "control",
                8: "output_mark", 9: "digest_mark", 10: "protected", 11: "alone", 12: "end"}


class Malformed(Exception):
    """These bytes are not what the document says."""


def _crc_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


_CRC = _crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


class Stream:
    """The bytes of a Capture with the times of each: (arrived, handed on)."""

    def __init__(self, capture):
        self.data = capture.data()
        self.ends, end = [], 0
        for arrived, handed, piece in capture.pieces:
            end += len(piece)
            self.ends.append((end, arrived, handed))
        self._at = 0

    def times(self, offset):
        """Of the byte before `offset`. Offsets must not go back."""
        while self.ends[self._at][0] < offset:
            self._at += 1
        return self.ends[self._at][1:]


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at
        if shift > 63:
            raise Malformed("varint too long")


def fields(data):
    """Yields (number, value) of one protobuf message; values are ints or bytes."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = varint(data, at)
        elif kind == 1:
            value, at = int.from_bytes(data[at:at + 8], "little"), at + 8
        elif kind == 2:
            size, at = varint(data, at)
            value, at = data[at:at + size], at + size
        elif kind == 5:
            value, at = int.from_bytes(data[at:at + 4], "little"), at + 4
        else:
            raise Malformed(f"protobuf wire type {kind}")
        if at > len(data):
            raise Malformed("protobuf field beyond its message")
        yield number, value


@dataclasses.dataclass
class Message:
    type: int
    pair: bytes
    session: bytes
    epoch: int
    body: bytes
    arrived: float
    handed: float  # None: it never left the relay.

    def fields(self):
        return dict(fields(self.body))


@dataclasses.dataclass
class Record:
    seq: int
    tick: int
    kind: str
    endpoint: int
    fields: dict


def zmtp_messages(stream):
    """Yields (bytes, arrived, handed) of each ZMTP message frame; a torn end is left out."""
    data, at = stream.data, ZMTP_GREETING_BYTES
    if data and (data[0] != 0xFF or (len(data) > 9 and not data[9] & 1)):
        raise Malformed("no ZMTP greeting")
    while at + 2 <= len(data):
        flags = data[at]
        if flags & 2:
            if at + 9 > len(data):
                return
            size, start = int.from_bytes(data[at + 1:at + 9], "big"), at + 9
        else:
            size, start = data[at + 1], at + 2
        end = start + size
        if end > len(data):
            return
        if not flags & 4:
            yield (data[start:end], *stream.times(end))
        at = end


def parse_message(data, arrived=0.0, handed=0.0, check=True):
    if len(data) < FRAME_HEADER.size + 4 + ENVELOPE.size:
        raise Malformed("short message")
    magic, kind, flags, length, header_check = FRAME_HEADER.unpack_from(data)
    if magic != b"FTVM" or flags or FRAME_HEADER.size + length + 4 != len(data):
        raise Malformed("not one whole frame")
    if crc32c(data[:10]) & 0xFFFF != header_check:
        raise Malformed("header check")
    if check and crc32c(data[:-4]) != int.from_bytes(data[-4:], "little"):
        raise Malformed("frame check")
    version, pair, session, epoch = ENVELOPE.unpack_from(data, FRAME_HEADER.size)
    if version != 5:
        raise Malformed(f"wire version {version}")
    body = data[FRAME_HEADER.size + ENVELOPE.size:-4]
    return Message(kind, pair, session, epoch, body, arrived, handed)


def peer_messages(capture):
    """All messages of one direction of the channel; frame checks only of small ones, for speed."""
    for data, arrived, handed in zmtp_messages(Stream(capture)):
        yield parse_message(data, arrived, handed, check=len(data) < 4096)


def records(body):
    """The records of a Records message."""
    seq = tick = 0
    for number, value in fields(body):
        if number == 1:
            seq = value
        elif number == 2:
            tick = value
        elif number == 3:
            delta, endpoint, kind, inner = 0, 0, None, {}
            for inner_number, inner_value in fields(value):
                if inner_number == 1:
                    delta = inner_value
                elif inner_number == 2:
                    endpoint = inner_value
                else:
                    kind = RECORD_KINDS[inner_number]
                    inner = (dict(fields(inner_value)) if isinstance(inner_value, bytes)
                             else {0: inner_value})
            tick += delta
            if kind == "output_mark" and endpoint == 0:
                endpoint = CONSOLE_ENDPOINT
            yield Record(seq, tick, kind, endpoint, inner)
            seq += 1


@dataclasses.dataclass
class Shown:
    """One ConsoleOutput of a node."""
    epoch: int
    offset: int
    bytes: bytes
    arrived: float


def console_outputs(capture):
    """ConsoleOutput messages from a node, in order; others are skipped."""
    stream = Stream(capture)
    data, at = stream.data, 0
    while at + CONSOLE_HEADER.size <= len(data):
        size, check = CONSOLE_HEADER.unpack_from(data, at)
        end = at + CONSOLE_HEADER.size + size
        if end > len(data):
            return
        body = data[at + CONSOLE_HEADER.size:end]
        if crc32c(body) != check:
            raise Malformed("console frame check")
        if body[0] == 5:
            epoch, offset = struct.unpack_from("<QQ", body, 1)
            yield Shown(epoch, offset, body[17:], stream.times(end)[0])
        at = end
