"""C2SP formats: what Go, Tessera and Sunlight write, we read; what they refuse, we refuse."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veristep.core import merkle
from veristep.errors import MalformedError, TamperedError
from veristep.ledger import checkpoints, keys, notes, tiles

VECTORS = Path(__file__).parents[1] / "vectors"
NOTES = json.loads((VECTORS / "signed_note.json").read_text())
BAD_NOTES = json.loads((VECTORS / "signed_note_badmsgs.json").read_text())["go_exprs"]
TLOG = json.loads((VECTORS / "tlog_text.json").read_text())
TESSERA = json.loads((VECTORS / "tessera_log.json").read_text())
PETER, ENOCH, FOO = NOTES["good"]


@pytest.mark.parametrize("case", NOTES["good"], ids=lambda case: case["vkey"][:10])
def test_good_notes_open_and_vkeys_round_trip(case: dict[str, str]) -> None:
    key = notes.parse_vkey(case["vkey"])
    assert str(key) == case["vkey"]
    note = notes.open_note(case["text"] + "\n" + case["sigline"], [key])
    assert (note.text, len(note.verified), note.unverified) == (case["text"], 1, ())


@pytest.mark.parametrize("vkey", NOTES["bad_vkeys"])
def test_bad_vkeys_are_refused(vkey: str) -> None:
    with pytest.raises(MalformedError):
        notes.parse_vkey(vkey)


@pytest.mark.parametrize("expression", BAD_NOTES)
def test_bad_notes_are_malformed(expression: str) -> None:
    names = {"text": PETER["text"], "peterSig": PETER["sigline"], "enochSig": ENOCH["sigline"]}
    note = eval(expression, {"len": len}, names)
    data = note.encode()
    if "\\xff" in expression:
        data = b"\xff" + note[1:].encode()
    with pytest.raises(MalformedError):
        notes.open_note(data, [notes.parse_vkey(PETER["vkey"])])


def test_no_part_of_a_key_is_a_key() -> None:
    signer = keys.generate("log.example")
    for text, parse in ((str(signer.verifier), notes.parse_vkey), (str(signer), notes.parse_skey)):
        assert str(parse(text)) == text
        for start in range(len(text)):
            for end in range(start, len(text) + 1):
                if end - start < len(text):
                    with pytest.raises(MalformedError):
                        parse(text[start:end])


def test_unknown_signers_are_ignored_and_a_known_bad_one_refuses_the_whole_note() -> None:
    both = PETER["text"] + "\n" + PETER["sigline"] + ENOCH["sigline"]
    peter, enoch = notes.parse_vkey(PETER["vkey"]), notes.parse_vkey(ENOCH["vkey"])
    note = notes.open_note(both, [peter])
    assert [s.name for s in note.verified] == ["PeterNeumann"]
    assert [s.name for s in note.unverified] == ["EnochRoot"]
    with pytest.raises(TamperedError, match="no known key"):
        notes.open_note(both, [notes.parse_vkey(FOO["vkey"])])
    forged = both.replace("cryptography", "Cryptography")
    with pytest.raises(TamperedError, match="does not hold"):
        notes.open_note(forged, [peter, enoch])
    repeated = PETER["text"] + "\n" + PETER["sigline"] * 2
    assert len(notes.open_note(repeated, [peter]).verified) == 1
    with pytest.raises(MalformedError, match="more than 100"):
        notes.open_note(PETER["text"] + "\n" + PETER["sigline"] * 101, [peter])


@given(st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"])), st.integers(0, 10_000))
def test_a_signed_note_opens_and_any_flipped_bit_is_noticed(text: str, position: int) -> None:
    signer = notes.SignerKey("log", b"\x07" * 32)
    note = notes.sign(text + "\n", signer)
    assert notes.open_note(note, [signer.verifier]).text == text + "\n"
    data = bytearray(note.encode())
    data[position // 8 % len(data)] ^= 1 << position % 8
    with pytest.raises((MalformedError, TamperedError)):
        notes.open_note(bytes(data), [signer.verifier])


@pytest.mark.parametrize("text", ["no newline", "control \x01\n", ""])
def test_only_clean_text_is_signed(text: str) -> None:
    with pytest.raises(MalformedError):
        notes.sign(text, keys.generate("log"))


def test_secrets_do_not_show_in_reprs() -> None:
    signer = keys.generate("log")
    assert signer.seed.hex() not in repr(signer)
    assert repr(signer.seed) not in repr(signer)


def test_tessera_checkpoints_and_files() -> None:
    key = notes.parse_vkey(TESSERA["vkey"])
    leaves = [leaf.encode() for leaf in TESSERA["leaves"]]
    hashes = [merkle.leaf_hash(leaf) for leaf in leaves]
    for size, note in TESSERA["checkpoints_by_size"].items():
        checkpoint = checkpoints.open_checkpoint(note, key)
        assert checkpoint.size == int(size)
        assert checkpoint.root == merkle.root(hashes[: int(size)])
        assert checkpoints.decode(checkpoint.encode()) == checkpoint
    for path, encoded in TESSERA["files_b64"].items():
        tile, data = tiles.parse_path(path), base64.b64decode(encoded)
        if tile.level is None:
            assert tiles.decode_bundle(data) == leaves[: tile.width]
            assert tiles.encode_bundle(leaves[: tile.width]) == data
        else:
            assert tiles.decode_tile(data) == hashes[: tile.width]
            assert tiles.encode_tile(hashes[: tile.width]) == data


def test_tlog_texts() -> None:
    record = TLOG["record_hash"]
    assert base64.b64encode(merkle.leaf_hash(record["data"].encode())).decode() == record["b64"]
    for case in TLOG["tile_paths_c2sp"]:
        level = case.get("level")
        tile = tiles.Tile(level, case.get("index", case.get("entries")), case.get("width", 256))
        assert tile.path == case["path"]
        assert tiles.parse_path(case["path"]) == tile
    full = list(tiles.full_tiles(70_000))
    partial = {tile.level: tile.width for tile in tiles.partial_tiles(70_000)}
    assert [sum(t.level == level for t in full) for level in (None, 0, 1, 2)] == [273, 273, 1, 0]
    assert partial == {0: 112, None: 112, 1: 17, 2: 1}
    assert [t.path for t in tiles.full_tiles(256)] == ["tile/0/000", "tile/entries/000"]
    assert [t.path for t in tiles.partial_tiles(256)] == ["tile/1/000.p/1"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "log\n1\n",
        "log\n01\n" + "A" * 43 + "=\n",
        "log\n-1\n" + "A" * 43 + "=\n",
        "log\n1\nAAAA\n",
        "\n1\n" + "A" * 43 + "=\n",
        "log\n1\n" + "A" * 43 + "=",
        "log\n1\n" + "A" * 42 + "B=\n",
    ],
)
def test_what_is_no_checkpoint_is_malformed(text: str) -> None:
    with pytest.raises(MalformedError):
        checkpoints.decode(text)


def test_a_checkpoint_of_another_log_is_refused() -> None:
    signer = keys.generate("ours")
    note = checkpoints.sign(checkpoints.Checkpoint("theirs", 0, merkle.EMPTY_ROOT), signer)
    with pytest.raises(TamperedError, match="expected ours, got theirs"):
        checkpoints.open_checkpoint(note, signer.verifier)


@pytest.mark.parametrize(
    "path",
    ["tile/0/1", "tile/8/000", "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/x000/001", "x/0/000"],
)
def test_paths_have_one_spelling(path: str) -> None:
    with pytest.raises(MalformedError):
        tiles.parse_path(path)


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=256), st.integers(0, 10**9))
def test_bundles_and_paths_round_trip(entries: list[bytes], index: int) -> None:
    assert tiles.decode_bundle(tiles.encode_bundle(entries)) == entries
    tile = tiles.Tile(None, index, len(entries))
    assert tiles.parse_path(tile.path) == tile


@pytest.mark.parametrize("data", [b"", b"\0", b"\0\5abc", b"\0\0" * 257])
def test_what_is_no_bundle_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedError):
        tiles.decode_bundle(data)
    with pytest.raises(MalformedError):
        tiles.decode_tile(data)


def test_an_entry_that_is_too_long_is_refused() -> None:
    with pytest.raises(MalformedError, match="65536"):
        tiles.encode_bundle([b"x" * 65_536])
