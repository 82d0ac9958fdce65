"""The kernel's audit records of signals, debuggers and foreign writes, without a daemon of their own.

Rules are added over netlink (``linux/audit.h``); records are read from its multicast group, beside whatever
audit daemon runs. One system call is one event: lines of several types that share a serial number.
"""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import re
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass

NETLINK_AUDIT = 9
_GET, _SET, _ADD_RULE, _DEL_RULE = 1000, 1001, 1011, 1012
_REQUEST, _ACK = 1, 4
_STATUS_ENABLED = 1
_EXIT_FILTER, _ALWAYS = 4, 2
# Fields of a rule.
_ARCH, _ARG0, _ARG1, _ARG2, _KEY, _PERM, _DIR = 11, 200, 201, 202, 210, 106, 107
_EQUAL, _NOT_EQUAL = 0x40000000, 0x30000000
_SYSCALL, _OBJ_PID, _PATH, _EOE, _CWD = 1300, 1318, 1302, 1320, 1307
_MULTICAST_READLOG = 1
KEY = "veristep"
# AUDIT_ARCH_* of linux/audit.h, and numbers of unistd.
_MACHINES = {
    "x86_64": (0xC000003E, {"kill": 62, "tkill": 200, "tgkill": 234, "pidfd_send_signal": 424,
                            "ptrace": 101, "process_vm_writev": 311}),
    "aarch64": (0xC00000B7, {"kill": 129, "tkill": 130, "tgkill": 131, "pidfd_send_signal": 424,
                             "ptrace": 117, "process_vm_writev": 271}),
}  # fmt: skip
# Which argument of a call is the signal.
_SIGNAL_AT = {"kill": 1, "tkill": 1, "tgkill": 2, "pidfd_send_signal": 1}
_ATTACHES = (16, 0x4206)
_WORD = re.compile(r'(\w+)=("[^"]*"|\S+)')
_RULE_WORDS = 64
_PACKET_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Event:
    """One system call, by whom, and at whom it was aimed.

    Attributes:
        act: ``signal``, ``attach`` or ``write``.
        call: its name.
        number: of the signal; 0 for others.
        sender, parent, uid, login, session: who made it; `login` is who logged in, -1 for nobody.
        command: name and file of who made it.
        targets: processes it was aimed at.
        succeeded: whether the kernel did it.
        time: seconds since the epoch, as the kernel has it.
    """

    act: str
    call: str
    number: int
    sender: int
    parent: int
    uid: int
    login: int
    command: str
    targets: tuple[int, ...]
    succeeded: bool
    time: float


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of the exit filter.

    Attributes:
        calls: numbers of system calls.
        fields: of a rule: number, operator and value.
    """

    calls: tuple[int, ...]
    fields: tuple[tuple[int, int, int], ...]

    def to_bytes(self, name: str = KEY) -> bytes:
        """Return a ``struct audit_rule_data``."""
        mask = [0] * _RULE_WORDS
        for call in self.calls:
            mask[call // 32] |= 1 << (call % 32)
        key = name.encode()
        fields = (*self.fields, (_KEY, _EQUAL, len(key)))
        padding = [0] * (_RULE_WORDS - len(fields))
        columns = ([each[0] for each in fields], [each[2] for each in fields], [each[1] for each in fields])
        words = [_EXIT_FILTER, _ALWAYS, len(fields), *mask]
        for column in columns:
            words += [*column, *padding]
        return struct.pack(f"={len(words)}I", *(word & 0xFFFFFFFF for word in words)) + struct.pack(
            "=I", len(key)
        ) + key  # fmt: skip


def rules(machine: str = "") -> list[Rule]:
    """Return the rules that are added; none on a machine whose calls are not known."""
    arch, calls = _MACHINES.get(machine or platform.machine(), (0, {}))
    if not arch:
        return []
    native = (_ARCH, _EQUAL, arch)
    third = (calls["tgkill"],)
    second = tuple(calls[name] for name, place in _SIGNAL_AT.items() if place == 1)
    return [
        Rule(second, (native, (_ARG1, _NOT_EQUAL, 0))),
        Rule(third, (native, (_ARG2, _NOT_EQUAL, 0))),
        *(Rule((calls["ptrace"],), (native, (_ARG0, _EQUAL, request))) for request in _ATTACHES),
        Rule((calls["process_vm_writev"],), (native,)),
    ]


class Assembler:
    """Puts the lines of an event together."""

    def __init__(self, key: str = KEY, machine: str = "") -> None:
        self._key = key
        _, calls = _MACHINES.get(machine or platform.machine(), (0, {}))
        self._names = {number: name for name, number in calls.items()}
        self._open: dict[str, tuple[dict[str, str], list[int]]] = {}

    def line(self, kind: int, text: str) -> Event | None:
        """Take in a record; return the event that it ends."""
        head, _, rest = text.partition(": ")
        serial = head.partition("(")[2].rstrip("):")
        if kind == _SYSCALL:
            fields = {name: value.strip('"') for name, value in _WORD.findall(rest)}
            if fields.get("key") == self._key:
                self._open[serial] = (fields, [])
                if len(self._open) > 1000:
                    self._open.pop(next(iter(self._open)))
            return None
        begun = self._open.get(serial)
        if begun is None:
            return None
        if kind == _OBJ_PID:
            fields = dict(_WORD.findall(rest))
            with contextlib.suppress(ValueError):
                begun[1].append(int(fields.get("opid", "")))
        elif kind == _EOE:
            del self._open[serial]
            return self._event(serial, *begun)
        return None

    def _event(self, serial: str, fields: dict[str, str], targets: list[int]) -> Event | None:
        try:
            name = self._names[int(fields["syscall"])]
            arguments = [int(fields[f"a{n}"], 16) for n in range(4)]
            login, at = int(fields["auid"]), float(serial.partition(":")[0])
            sender, parent, uid = int(fields["pid"]), int(fields["ppid"]), int(fields["uid"])
        except (KeyError, ValueError):
            return None
        place = _SIGNAL_AT.get(name)
        act = "signal" if place is not None else "attach" if name == "ptrace" else "write"
        if not targets and act != "signal":
            targets = [arguments[1] if name == "ptrace" else arguments[0]]
        elif not targets and name != "pidfd_send_signal":
            # Nobody was found: a process that had ended.
            targets = [arguments[0]]
        command = f"{_text(fields.get('comm', ''))} ({_text(fields.get('exe', ''))})"
        login = -1 if login == 0xFFFFFFFF else login
        succeeded = fields.get("success") == "yes"
        number = arguments[place] if place is not None else 0
        return Event(
            act, name, number, sender, parent, uid, login, command, tuple(targets), succeeded, at
        )  # fmt: skip


def _text(value: str) -> str:
    """Return a name: the kernel writes one with odd bytes in hexadecimal."""
    if value and len(value) % 2 == 0 and re.fullmatch(r"[0-9A-F]+", value):
        return bytes.fromhex(value).decode("utf-8", "replace")
    return value


def _socket() -> socket.socket:
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_AUDIT)


class AuditLog:
    """The records of this machine; rules of ours stand while it is open.

    Raises:
        OSError: not root, or this kernel has no audit.
    """

    def __init__(self, key: str = KEY) -> None:
        """Add the rules, under a key of their own."""
        self._key = key
        self._control = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_AUDIT
        )
        self._control.bind((0, 0))
        self._control.settimeout(2.0)
        self._assembler = Assembler(key)
        self._rules: list[Rule] = []
        self._was_enabled = self._enabled()
        self.reader = _socket()
        self.reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.reader.bind((0, _MULTICAST_READLOG))
        self.reader.setblocking(False)
        self.lost = 0
        try:
            for rule in rules():
                self._change(_ADD_RULE, rule.to_bytes(self._key))
                self._rules.append(rule)
            if not self._was_enabled:
                self._enable(1)
        except OSError:
            self.close()
            raise

    def read(self) -> list[Event]:
        """Return the events since the last time."""
        found: list[Event] = []
        while True:
            try:
                data = self.reader.recv(_PACKET_BYTES)
            except BlockingIOError:
                return found
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self.lost += 1
                continue
            if len(data) < 16:
                continue
            kind = struct.unpack_from("=IH", data)[1]
            event = self._assembler.line(kind, data[16:].rstrip(b"\0\n").decode("utf-8", "replace"))
            if event is not None:
                found.append(event)

    def close(self) -> None:
        """Take our rules out again and leave the rest as it was found."""
        for rule in self._rules:
            with contextlib.suppress(OSError):
                self._change(_DEL_RULE, rule.to_bytes(self._key))
        if not self._was_enabled:
            with contextlib.suppress(OSError):
                self._enable(0)
        self._control.close()
        self.reader.close()

    def _enabled(self) -> bool:
        self._send(_GET, b"")
        for kind, body in self._answers():
            if kind == _GET:
                return bool(struct.unpack_from("=II", body)[1])
        raise OSError(errno.EPROTO, "the kernel does not tell whether it audits")

    def _enable(self, value: int) -> None:
        self._change(_SET, struct.pack("=10I", _STATUS_ENABLED, value, *[0] * 8))

    def _change(self, kind: int, body: bytes) -> None:
        self._send(kind, body)
        for answer, data in self._answers():
            if answer == 2:
                code = -struct.unpack_from("=i", data)[0]
                # A rule that stands already was left by an agent that was killed.
                if code and not (kind == _ADD_RULE and code == errno.EEXIST):
                    raise OSError(code, os.strerror(code))
                return

    def _send(self, kind: int, body: bytes) -> None:
        head = struct.pack("=IHHII", 16 + len(body), kind, _REQUEST | _ACK, 1, 0)
        self._control.send(head + body)

    def _answers(self) -> Iterable[tuple[int, bytes]]:
        for _ in range(20):
            data = self._control.recv(_PACKET_BYTES)
            yield struct.unpack_from("=IH", data)[1], data[16:]
