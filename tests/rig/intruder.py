"""Somebody who is no part of the pair and talks into its open ports."""
import socket
import threading

import wire_format as wire
from wire_proxy import UP


class HeartbeatTap:
    """Datagrams on the loopback device, for replay."""

    def __init__(self, ports):
        self.seen, self.ports, self.stopping = [], set(ports), False
        try:
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            self.socket.bind(("lo", 0))
            self.socket.settimeout(0.1)
        except OSError:
            self.socket = None
            return
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        while not self.stopping and len(self.seen) < 2000:
            try:
                packet = self.socket.recv(2048)
            except OSError:
                continue
            if len(packet) > 42 and packet[23] == 17:
                port = int.from_bytes(packet[36:38], "big")
                if port in self.ports:
                    self.seen.append((port, packet[42:]))

    def close(self):
        self.stopping = True
        if self.socket:
            self.thread.join()
            self.socket.close()


def throw(port, payload, read=False):
    """Bytes into a TCP port; whatever it answers is dropped."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as target:
            target.settimeout(0.1)
            for at in range(0, len(payload), 4096):
                target.sendall(payload[at:at + 4096])
            try:
                while read and target.recv(65536):
                    pass
            except OSError:
                pass
    except OSError:
        pass  # It hung up on garbage: as it should.


def talk(port, handshake, messages):
    """As a ZMTP client: libzmq takes no message before it has sent its own READY."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as target:
            target.sendall(handshake)
            answer = b""
            while len(answer) <= wire.ZMTP_GREETING_BYTES:
                piece = target.recv(4096)
                if not piece:
                    return
                answer += piece
            target.sendall(messages)
            target.settimeout(0.2)
            while target.recv(65536):
                pass
    except OSError:
        pass


def replayed_messages(run, session_only):
    """What a stranger says who repeats the backup: the handshake as captured, then messages of the
    channel in a new order."""
    capture = max(run.pair.relay.of("channel", UP), key=lambda each: len(each.data()))
    data = capture.data()
    frames, at = [], wire.ZMTP_GREETING_BYTES
    handshake = data[:at]
    while at + 9 < len(data):
        long = data[at] & 2
        size = int.from_bytes(data[at + 1:at + 9], "big") if long else data[at + 1]
        end = at + (9 if long else 2) + size
        if end > len(data):
            break
        if data[at] & 4:
            handshake += data[at:end] if len(handshake) == wire.ZMTP_GREETING_BYTES else b""
        else:
            frames.append(data[at:end])
        at = end
    if session_only:
        frames = [frame for frame in frames if not wire.HELLO == _type_of(frame)]
    run.random.shuffle(frames)
    return handshake, b"".join(frames[:200])


def _type_of(frame):
    start = 9 if frame[0] & 2 else 2
    return frame[start + 4] if len(frame) > start + 4 else None


def throw_at_control(node, rng):
    for payload in (rng.randbytes(300), b"[" * 5000 + b"\n", b'{"command":7}\n', b'{"command":"no"}\n'):
        try:
            with socket.socket(socket.AF_UNIX) as door:
                door.settimeout(1)
                door.connect(node.control)
                door.sendall(payload)
        except OSError:
            pass
