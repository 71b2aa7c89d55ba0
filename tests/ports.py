"""TCP ports for servers of tests."""

import random
import socket

# Below those that the kernel gives to outgoing connections, of which one may come between the asking and the listening.
FIRST, END = 20_000, 32_000
_given: set[int] = set()


def free_port() -> int:
    """A port that nobody listens on, another one each time."""
    while True:
        port = random.randrange(FIRST, END)
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port
