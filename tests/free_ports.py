"""Ports for servers that start later, in processes of their own."""

import os
import random
import socket

#: Below every system's ephemeral ports: what the kernel gives to links, probes and outgoing connections
#: between the choice of a port and its use is never one of these.
_PORTS = range(20_000, 30_000)
_rng = random.Random(os.getpid())
_given = set()


def free_port():
    """A port that nobody listens on and that this process did not give before."""
    while True:
        port = _rng.choice(_PORTS)
        if port not in _given and _is_free(port):
            _given.add(port)
            return port


def _is_free(port):
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
