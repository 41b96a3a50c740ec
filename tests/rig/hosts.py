"""Two hosts made of network namespaces, with cables that can be pulled."""
import subprocess


class Skipped(Exception):
    """This host can not do it; says why."""


class Namespaces:
    """Two hosts and this one: a network namespace for each, a cable between the hosts and one from
    each to here."""

    def __init__(self, tag):
        self.names = [f"fv{tag}{host}" for host in "ab"]
        # cable: (end, namespace, address), (end, namespace, address)
        self.cables = [((f"va{tag}", self.names[0], "10.231.0.1"), (f"vb{tag}", self.names[1], "10.231.0.2")),
                       ((f"vc{tag}", self.names[0], "10.231.1.1"), (f"vd{tag}", None, "10.231.1.2")),
                       ((f"ve{tag}", self.names[1], "10.231.2.1"), (f"vf{tag}", None, "10.231.2.2"))]

    def make(self):
        for name in self.names:
            _ip("netns", "add", name)
            _ip("-n", name, "link", "set", "lo", "up")
        for one, other in self.cables:
            _ip("link", "add", one[0], "type", "veth", "peer", "name", other[0])
            for end, name, address in (one, other):
                inside = ("-n", name) if name else ()
                if name:
                    _ip("link", "set", end, "netns", name)
                _ip(*inside, "address", "add", f"{address}/24", "dev", end)
                _ip(*inside, "link", "set", end, "up")

    def pull_cables(self, host):
        for one, _ in self.cables[:2] if host == 0 else self.cables[:1] + self.cables[2:]:
            _ip("-n", self.names[0], "link", "set", one[0], "down", check=False)

    def drop(self):
        # A namespace goes with its last process; our ends would keep their addresses that long.
        for one, other in self.cables:
            for end, name, _ in (one, other):
                if name is None:
                    _ip("link", "del", end, check=False)
        for name in self.names:
            _ip("netns", "del", name, check=False)

    def prefix(self, host):
        return ("ip", "netns", "exec", self.names[host])


def _ip(*arguments, check=True):
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise Skipped(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
