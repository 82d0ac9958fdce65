"""TCP sockets: ``/proc/PID/net/tcp`` and ``tcp6`` (`proc(5)`), and the files processes hold."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

LISTEN, ESTABLISHED = "0A", "01"


@dataclass(frozen=True, slots=True)
class Socket:
    """One socket.

    Attributes:
        inode: by which processes hold it.
        listens: whether it waits for connections.
        address: here where it listens, else at the other end.
        port: there.
        local_port: the port here.
    """

    inode: int
    listens: bool
    address: str
    port: int
    local_port: int

    @property
    def scope(self) -> str:
        """How far it reaches: ``loopback``, ``private`` or ``public``, as what listens everywhere does."""
        address = ipaddress.ip_address(self.address)
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if address.is_unspecified:
            return "public"
        return "loopback" if address.is_loopback else "private" if address.is_private else "public"


def parse(text: str) -> list[Socket]:
    """Return the listening and connected sockets of a table; lines that are none are left out."""
    found = []
    for line in text.splitlines()[1:]:
        words = line.split()
        if len(words) < 10 or words[3] not in (LISTEN, ESTABLISHED):
            continue
        try:
            here, there, inode = _end(words[1]), _end(words[2]), int(words[9])
        except (ValueError, OSError):
            continue
        listens = words[3] == LISTEN
        address, port = here if listens else there
        found.append(Socket(inode, listens, address, port, here[1]))
    return found


def table(pid: int) -> list[Socket]:
    """Return the sockets in the network namespace of a process."""
    found: list[Socket] = []
    for name in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            found += parse(Path(f"/proc/{pid}/net/{name}").read_text(encoding="ascii", errors="replace"))
    return found


def held(pid: int) -> set[int]:
    """Return the inodes of the sockets that a process holds."""
    found: set[int] = set()
    with contextlib.suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208
            with contextlib.suppress(OSError, ValueError):
                target = os.readlink(f"/proc/{pid}/fd/{name}")  # noqa: PTH115
                if target.startswith("socket:["):
                    found.add(int(target[8:-1]))
    return found


def incoming(sockets: Iterable[Socket]) -> set[int]:
    """Return the inodes of connections that came in by a port somebody listens on here."""
    each = list(sockets)
    ports = {one.port for one in each if one.listens}
    return {one.inode for one in each if not one.listens and one.local_port in ports}


def ephemeral() -> range:
    """Return the ports the kernel hands out where nobody chose one."""
    try:
        low, high = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()
        return range(int(low), int(high) + 1)
    except (OSError, ValueError):
        return range(32768, 61000)


def _end(text: str) -> tuple[str, int]:
    host, _, port = text.partition(":")
    data = bytes.fromhex(host)
    # Words of 32 bits, in the machine's own order.
    if sys.byteorder == "little":
        data = b"".join(data[n : n + 4][::-1] for n in range(0, len(data), 4))
    family = socket.AF_INET if len(data) == 4 else socket.AF_INET6
    return socket.inet_ntop(family, data), int(port, 16)
