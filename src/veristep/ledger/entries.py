"""Entries: what is logged of an event, and what is kept beside the log.

The leaf of the tree is the canonical JSON of a public *header*. The header commits to a *body*, in
which each sensitive field is itself a salted commitment; the *opening* of a commitment (salt and
value) is kept privately and can be disclosed, or erased, field by field.
`docs/formats/ledger.md` gives the bytes.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from veristep.core import canonical
from veristep.errors import MalformedError, TamperedError, UnsupportedVersionError, UsageError
from veristep.ledger.tiles import MAX_ENTRY_BYTES

if TYPE_CHECKING:
    from veristep.core.canonical import Json

HEADER_VERSION = 1
MAX_BODY_BYTES = 1 << 20
SALT_BYTES = 32
COMMITMENT_FIELD = "commitment"

_KIND = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)
_COMMITMENT = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
_PROJECT_DOMAIN = b"veristep/project/v1\n"
_OBJECT_HINT = "put large values into the object store and name them by digest"


@dataclass(frozen=True, slots=True)
class Draft:
    """An event to be logged.

    `sensitive` names the fields of the body that are logged as commitments only.
    """

    kind: str
    body: Mapping[str, Json]
    run: str = ""
    project: str = ""
    sensitive: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Entry:
    """A logged event.

    `project` is the pseudonym in the log, `actor` the id of the key that logged it. Sensitive
    fields of `body` hold their value where its opening is at hand, else their commitment.
    """

    index: int
    kind: str
    time_ns: int
    project: str
    project_seq: int
    project_previous: str
    actor: str
    run: str
    body_digest: str
    body: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Opening:
    """What opens the commitment to one field: its salt and the canonical JSON of its value."""

    name: str
    salt: bytes = field(repr=False)
    value: bytes = field(repr=False)

    @property
    def commitment(self) -> str:
        """The commitment this opens: SHA-256 over salt, name (as JSON) and value."""
        payload = self.salt + canonical.encode(self.name) + self.value
        return "sha256:" + hashlib.sha256(payload).hexdigest()


@dataclass(frozen=True, slots=True)
class Header:
    """The public part of an entry; its canonical JSON is the leaf of the tree."""

    kind: str
    time_ns: int
    project: str
    project_seq: int
    project_previous: str
    actor: str
    run: str
    body_digest: str

    def encode(self) -> bytes:
        """Return the bytes of the leaf."""
        return canonical.encode(
            {
                "v": HEADER_VERSION,
                "kind": self.kind,
                "time": self.time_ns,
                "project": self.project,
                "seq": self.project_seq,
                "previous": self.project_previous,
                "actor": self.actor,
                "run": self.run,
                "body": self.body_digest,
            }
        )


@dataclass(frozen=True, slots=True)
class Prepared:
    """A checked draft: its body's bytes and the openings to keep."""

    kind: str
    run: str
    project: str
    body: bytes
    openings: tuple[Opening, ...]


def prepare(draft: Draft, new_salt: Callable[[int], bytes] = os.urandom) -> Prepared:
    """Check a draft and commit to its sensitive fields.

    Raises:
        UsageError: a field of the draft is not what it has to be.
        MalformedError: the body is not JSON.
    """
    _check_draft(draft)
    openings = tuple(
        Opening(name, new_salt(SALT_BYTES), _encode(draft.body[name])) for name in sorted(draft.sensitive)
    )
    public: dict[str, Json] = dict(draft.body)
    for opening in openings:
        public[opening.name] = {COMMITMENT_FIELD: opening.commitment}
    body = _encode(public)
    size = len(body) + sum(len(opening.value) for opening in openings)
    if size > MAX_BODY_BYTES:
        raise UsageError(
            f"the body of the {draft.kind} entry has {size} bytes; at most {MAX_BODY_BYTES}",
            hint=_OBJECT_HINT,
        )
    return Prepared(draft.kind, draft.run, draft.project, body, openings)


def digest_of(body: bytes) -> str:
    """Return the commitment to a body's bytes, as headers hold it."""
    return "sha256:" + hashlib.sha256(body).hexdigest()


def pseudonym(salt: bytes, project: str) -> str:
    """Return the name a project has in the log: SHA-256 over a domain, the salt and the name."""
    return hashlib.sha256(_PROJECT_DOMAIN + salt + project.encode("utf-8")).hexdigest()


def encode_header(header: Header) -> bytes:
    """Return the bytes of the leaf.

    Raises:
        UsageError: they are more than a leaf can have.
    """
    data = header.encode()
    if len(data) > MAX_ENTRY_BYTES:
        raise UsageError(f"the entry has {len(data)} bytes; at most {MAX_ENTRY_BYTES}")
    return data


def decode_header(data: bytes) -> Header:
    """Parse the bytes of a leaf.

    Raises:
        MalformedError: not a header in its canonical form.
        UnsupportedVersionError: a header of another version.
    """
    value = canonical.decode_object(data)
    version = value.get("v")
    if version != HEADER_VERSION:
        raise UnsupportedVersionError(
            f"the entry has version {version!r}; this Veristep reads {HEADER_VERSION}",
            hint="use the version of Veristep that wrote the ledger, or a later one",
        )
    header = Header(
        kind=_text(value, "kind"),
        time_ns=_count(value, "time"),
        project=_text(value, "project"),
        project_seq=_count(value, "seq"),
        project_previous=_text(value, "previous"),
        actor=_text(value, "actor"),
        run=_text(value, "run"),
        body_digest=_text(value, "body"),
    )
    if header.encode() != data:
        raise MalformedError("the entry's header is not in its canonical form")
    return header


def commitments(body: Mapping[str, Json]) -> dict[str, str]:
    """Return the fields of a public body that are commitments, with the commitment."""
    found = {}
    for name, value in body.items():
        commitment = _as_commitment(value)
        if commitment is not None:
            found[name] = commitment
    return found


def resolve(body: Mapping[str, Json], openings: Iterable[Opening]) -> dict[str, Json]:
    """Put the values of `openings` in the place of their commitments.

    Raises:
        TamperedError: an opening does not open the commitment of its field.
        MalformedError: a value is not JSON.
    """
    resolved = dict(body)
    committed = commitments(body)
    for opening in openings:
        expected = committed.get(opening.name)
        if opening.commitment != expected:
            raise TamperedError(
                f"the value kept for {opening.name!r} is not the logged one: "
                f"expected {expected}, got {opening.commitment}"
            )
        resolved[opening.name] = canonical.decode(opening.value)
    return resolved


def check_run(run: str) -> None:
    """Check that `run` can name a run, and with it a folder.

    Raises:
        UsageError: it cannot.
    """
    if not _RUN.fullmatch(run):
        raise UsageError(
            f"{run[:140]!r} is not a run id",
            hint="use up to 128 letters, digits, dots, dashes and underscores",
        )


def _check_draft(draft: Draft) -> None:
    if not _KIND.fullmatch(draft.kind):
        raise UsageError(
            f"{draft.kind[:80]!r} is not the kind of an entry",
            hint="use up to 64 lower-case letters, digits, dots, dashes and underscores",
        )
    if draft.run:
        check_run(draft.run)
    missing = draft.sensitive - draft.body.keys()
    if missing:
        raise UsageError(f"sensitive fields that are not in the body: {', '.join(sorted(missing))}")
    for name, value in draft.body.items():
        if name not in draft.sensitive and _as_commitment(value) is not None:
            raise UsageError(
                f"the field {name!r} of the body looks like a commitment",
                hint="name it in `sensitive`, or give the field another form",
            )


def _as_commitment(value: Json) -> str | None:
    if not isinstance(value, Mapping) or len(value) != 1:
        return None
    commitment = value.get(COMMITMENT_FIELD)
    if isinstance(commitment, str) and _COMMITMENT.fullmatch(commitment):
        return commitment
    return None


def _encode(value: Json) -> bytes:
    try:
        return canonical.encode(value)
    except RecursionError as error:
        raise MalformedError("the value is nested too deeply") from error


def _text(value: Mapping[str, Json], name: str) -> str:
    text = value.get(name)
    if not isinstance(text, str):
        raise MalformedError(f"the entry's header has no text {name!r}")
    return text


def _count(value: Mapping[str, Json], name: str) -> int:
    count = value.get(name)
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        raise MalformedError(f"the entry's header has no count {name!r}")
    return count
