"""A TCP relay that sits on the wires of a pair: it notes each piece with its time, and can delay,
black-hole or cut. One thread moves everything, so all times of one relay are in one order.

It understands nothing; what the bytes mean is wire_format's business, after the run."""
import collections
import itertools
import selectors
import socket
import threading
import time

PIECE_BYTES = 64 << 10
POLL_S = 0.05
# To the server and to the client of a connection.
UP, DOWN = "up", "down"


class Capture:
    """One direction of one connection: pieces of (arrived, handed on, bytes); `handed on` is taken
    just before the bytes are given to the other side, or None when they never were."""

    def __init__(self, route, connection, direction):
        self.route, self.connection, self.direction = route, connection, direction
        self.pieces = []

    def data(self):
        return b"".join(piece for _, _, piece in self.pieces)


class _Flow:
    """One direction: from a socket, through a queue of due pieces, into another socket."""

    def __init__(self, source, sink, capture):
        self.source, self.sink, self.capture = source, sink, capture
        self.queue = collections.deque()  # [due, index of the piece, rest]
        self.ended = False  # The source said that nothing follows.
        self.closed = False


class _Connection:
    def __init__(self, route, number, client, server):
        self.route = route
        self.sockets = (client, server)
        self.flows = {UP: _Flow(client, server, Capture(route.name, number, UP)),
                      DOWN: _Flow(server, client, Capture(route.name, number, DOWN))}


class _Route:
    def __init__(self, name, listener, target):
        self.name, self.listener, self.target = name, listener, target
        self.delay_s = {UP: 0.0, DOWN: 0.0}
        self.hole = {UP: False, DOWN: False}
        self.refuse = False


class Relay:
    """Threading: any thread may call; the relay's own thread does the work."""

    def __init__(self):
        self._lock = threading.RLock()
        self._selector = selectors.DefaultSelector()
        self._routes, self._connections, self.captures = {}, [], []
        self._numbers = itertools.count(1)
        self._waker, wake = socket.socketpair()
        self._wake = wake
        self._waker.setblocking(False)
        self._selector.register(self._waker, selectors.EVENT_READ, None)
        self._stopping = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def add(self, name, target, host="127.0.0.1"):
        """Listens on a free port and relays to `target` (host, port); returns that port."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, 0))
        listener.listen(16)
        listener.setblocking(False)
        with self._lock:
            route = self._routes[name] = _Route(name, listener, target)
            self._selector.register(listener, selectors.EVENT_READ, route)
        self._poke()
        return listener.getsockname()[1]

    def delay(self, name, direction, seconds):
        with self._lock:
            self._routes[name].delay_s[direction] = seconds

    def black_hole(self, name, on=True, directions=(UP, DOWN)):
        """What arrives stays here, and nobody is told; it goes on when switched off."""
        with self._lock:
            for direction in directions:
                self._routes[name].hole[direction] = on
        self._poke()

    def cut(self, name, refuse=False):
        """Resets every connection of the route; with `refuse` new ones are reset as well."""
        with self._lock:
            self._routes[name].refuse = refuse
            for connection in [c for c in self._connections if c.route.name == name]:
                self._close(connection, reset=True)
        self._poke()

    def of(self, name, direction):
        with self._lock:
            return [c for c in self.captures if c.route == name and c.direction == direction]

    def close(self):
        if self._stopping:
            return
        self._stopping = True
        self._poke()
        self._thread.join(5)
        with self._lock:
            for connection in list(self._connections):
                self._close(connection)
            for route in self._routes.values():
                route.listener.close()
            self._waker.close()
            self._wake.close()
            self._selector.close()

    # --- the relay's thread

    def _poke(self):
        try:
            self._wake.send(b"x")
        except OSError:
            pass

    def _run(self):
        while not self._stopping:
            events = self._selector.select(self._patience())
            with self._lock:
                for key, _ in events:
                    self._serve(key)
                self._pump_all()

    def _patience(self):
        with self._lock:
            waiting = [flow.queue[0][0] for c in self._connections for flow in c.flows.values()
                       if flow.queue]
        if not waiting:
            return POLL_S
        return min(POLL_S, max(0.0005, min(waiting) - time.monotonic()))

    def _serve(self, key):
        if key.fileobj is self._waker:
            try:
                self._waker.recv(4096)
            except BlockingIOError:
                pass
        elif isinstance(key.data, _Route):
            self._accept(key.data)
        else:
            connection, flow = key.data
            if not flow.closed:
                self._read(connection, flow)

    def _accept(self, route):
        try:
            client, _ = route.listener.accept()
        except OSError:
            return
        if route.refuse:
            return _reset(client)
        try:
            server = socket.create_connection(route.target, timeout=1)
        except OSError:
            return _reset(client)
        for each in (client, server):
            each.setblocking(False)
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = _Connection(route, next(self._numbers), client, server)
        self._connections.append(connection)
        for flow in connection.flows.values():
            self.captures.append(flow.capture)
            self._selector.register(flow.source, selectors.EVENT_READ, (connection, flow))

    def _read(self, connection, flow):
        try:
            piece = flow.source.recv(PIECE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            return self._close(connection, reset=True)
        now = time.monotonic()
        delay = connection.route.delay_s[flow.capture.direction]
        if piece:
            flow.queue.append([now + delay, len(flow.capture.pieces), piece])
            flow.capture.pieces.append((now, None, piece))
        else:
            flow.ended = True
            self._selector.unregister(flow.source)

    def _pump_all(self):
        for connection in list(self._connections):
            for direction, flow in connection.flows.items():
                if connection in self._connections and not connection.route.hole[direction]:
                    self._pump(connection, flow)

    def _pump(self, connection, flow):
        while flow.queue and flow.queue[0][0] <= time.monotonic():
            _, index, rest = flow.queue[0]
            arrived, handed, piece = flow.capture.pieces[index]
            if handed is None:
                flow.capture.pieces[index] = (arrived, time.monotonic(), piece)
            try:
                sent = flow.sink.send(rest)
            except BlockingIOError:
                return
            except OSError:
                return self._close(connection, reset=True)
            if sent < len(rest):
                flow.queue[0][2] = rest[sent:]
                return
            flow.queue.popleft()
        if flow.ended and not flow.queue and not flow.closed:
            flow.closed = True
            try:
                flow.sink.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            if all(each.closed for each in connection.flows.values()):
                self._close(connection)

    def _close(self, connection, reset=False):
        if connection not in self._connections:
            return
        self._connections.remove(connection)
        for flow in connection.flows.values():
            flow.closed = True
        for each in connection.sockets:
            try:
                self._selector.unregister(each)
            except (KeyError, ValueError):
                pass
            if reset:
                _reset(each)
            else:
                each.close()


def _reset(each):
    """Closes with RST, as a host that went away would."""
    try:
        each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    except OSError:
        pass
    each.close()
