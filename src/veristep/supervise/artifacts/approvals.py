"""Signatures that let a protected file change: who gave them, and whether they are enough.

A content is approved when two people whose keys are enrolled signed it, or one did and a recorded run
wrote it. The enrolled keys stand in a file as ``ssh-keygen`` has it (``allowed_signers``), which the policy
names.
"""

from __future__ import annotations

import getpass
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from veristep.core.canonical import Json, encode
from veristep.core.verdicts import Finding
from veristep.errors import MalformedError, TamperedError, UnavailableError, UsageError, VeristepError
from veristep.guard.file import protected
from veristep.guard.policy import Protect
from veristep.ledger import keys, sshsig
from veristep.ledger.entries import Draft, Entry
from veristep.ledger.log import Ledger, Receipt
from veristep.supervise.artifacts.known import Known

GIVEN = "approval.given"
FORMAT = "veristep-approval/1"
NAMESPACE = "veristep-approval"
_DOMAIN = b"veristep/approval/v1\n"
_OWN_KEY = b"PRIVATE+KEY+"
_SIGN_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Approval:
    """A signature on the content of a file.

    Attributes:
        path, sha256: of what.
        reason: why, in the signer's words.
        public: the key's 32 bytes.
        index: of the entry.
    """

    path: str
    sha256: str
    reason: str
    public: bytes
    index: int


def message(origin: str, path: str, sha256: str, reason: str) -> bytes:
    """Return the bytes that are signed."""
    return _DOMAIN + encode({"log": origin, "path": path, "sha256": sha256, "reason": reason})


def sign(key: Path, data: bytes) -> str:
    """Sign with an SSH key or a key file of ours.

    Raises:
        UsageError, MalformedError, StorageError: the key cannot be used.
        UnavailableError: ssh-keygen cannot sign with it.
    """
    try:
        with key.open("rb") as file:
            own = file.read(len(_OWN_KEY)) == _OWN_KEY
    except OSError as error:
        raise UsageError(f"the key {key} cannot be read: {error.strerror}") from error
    if own:
        return sshsig.sign(keys.load(key), NAMESPACE, data)
    words = ["ssh-keygen", "-Y", "sign", "-q", "-f", str(key), "-n", NAMESPACE]
    try:
        done = subprocess.run(words, input=data, capture_output=True, timeout=_SIGN_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(f"ssh-keygen cannot sign with {key}: {error}") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise UnavailableError(
            f"ssh-keygen cannot sign with {key}: {said[-1] if said else 'no reason given'}"
        )
    return done.stdout.decode("ascii", "replace")


def give(ledger: Ledger, path: str, sha256: str, reason: str, key: Path) -> tuple[Approval, Receipt]:
    """Sign the content of a file and put that into the ledger.

    Raises:
        VeristepError: the key cannot be used, or the ledger not be written.
    """
    data = message(ledger.origin, path, sha256, reason)
    signature = sign(key, data)
    public = sshsig.verify(signature, NAMESPACE, data)
    body: dict[str, Json] = {
        "format": FORMAT,
        "path": path,
        "sha256": sha256,
        "reason": reason,
        "key": sshsig.public_text(public),
        "signature": signature,
        "user": _user(),
    }
    receipt = ledger.append(Draft(GIVEN, body, sensitive=frozenset({"path", "reason", "user"})))[0]
    return Approval(path, sha256, reason, public, receipt.index), receipt


def read(ledger: Ledger) -> list[Approval]:
    """Return all approvals whose signature holds; others count for nothing."""
    found = []
    for entry in ledger.entries(kind=GIVEN):
        try:
            found.append(_approval(ledger.origin, entry))
        except (MalformedError, TamperedError):
            continue
    return found


def _approval(origin: str, entry: Entry) -> Approval:
    body: Mapping[str, Json] = entry.body
    path, sha256, reason = (str(body.get(name)) for name in ("path", "sha256", "reason"))
    public = sshsig.verify(str(body.get("signature")), NAMESPACE, message(origin, path, sha256, reason))
    return Approval(path, sha256, reason, public, entry.index)


def enrolled(file: str) -> dict[bytes, str]:
    """Return who may approve, by the public key.

    Raises:
        UsageError: the file cannot be read, or has a line that says nothing.
    """
    try:
        text = Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the approvers {file} cannot be read: {error}") from error
    found: dict[bytes, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        try:
            # Options (validity, namespaces) are not heeded, so a line that has some is not believed.
            found[sshsig.public_key(" ".join(words[1:3]))] = words[0]
        except MalformedError as error:
            raise UsageError(
                f"{file}:{number}: not a name and an Ed25519 key", hint="name ssh-ed25519 AAAA..."
            ) from error
    return found


class Protection:
    """What the policy protects, and what was approved of it."""

    def __init__(self, protect: Protect, ledger: Ledger) -> None:
        self._protect = protect
        self._approvals = read(ledger) if protect.paths else []
        self._people: dict[bytes, str] = {}
        self._problem = "" if protect.approvers else "nobody is enrolled to approve it"
        if protect.approvers:
            try:
                self._people = enrolled(protect.approvers)
            except VeristepError as error:
                self._problem = str(error)

    def covers(self, *paths: str) -> bool:
        """Whether a file is protected, under any of its names."""
        return any(self._protect.covers(path) for path in paths)

    def judge(self, known: Known, paths: Sequence[str], sha256: str) -> Finding | None:
        """Return what is wrong with the content of a protected file; None when it is approved."""
        given = [each for each in self._approvals if each.path in paths and each.public in self._people]
        people = {self._people[each.public] for each in given if each.sha256 == sha256}
        recorded = sha256 in known.by_content
        if len(people) >= 2 or (people and recorded):
            return None
        approved = given[-1].sha256 if given and given[-1].sha256 != sha256 else ""
        return protected.finding(
            paths[0], sha256, self._missing(people, given), approved=approved, known=bool(given)
        )

    def _missing(self, people: set[str], given: Sequence[Approval]) -> str:
        if self._problem:
            return self._problem
        if people:
            return f"only {next(iter(people))} has signed its content: a second person has to"
        if given:
            return "its content is not what was approved"
        return "nobody has signed its content"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
