"""The draw cannot be foreseen, cannot be chosen, and can be computed again by anybody."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veristep.core.verdicts import Verdict
from veristep.errors import UsageError, VeristepError
from veristep.ledger import auditors, checkpoints, keys
from veristep.ledger.entries import Draft
from veristep.ledger.log import Ledger
from veristep.ledger.notes import SignerKey, sign
from veristep.replay.draw import making as drawing
from veristep.replay.draw.check import Checked, Claim, Commitment, Evidence, check
from veristep.replay.draw.derive import Binding, Draw, intervals_digest, order, seed
from veristep.replay.plan.choice import Count, Given
from veristep.replay.plan.intervals import Interval

RUN = "20261124-0011aabb"
INTERVALS = tuple(Interval(n, 10 * n, 10 * n + 10, ("0",), closed=True) for n in range(40))


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with Ledger.init(tmp_path / "ledger") as opened:
        yield opened


def open_run(ledger: Ledger, *more: Draft) -> None:
    ledger.append(Draft("run.opened", {"project": "p"}, RUN, "p"), *more)


def close_run(ledger: Ledger) -> int:
    return ledger.append(Draft("run.closed", {"returncode": 0}, RUN, "p"))[0].index


def embedded(ledger: Ledger) -> Draft:
    return auditors.draft(auditors.own_key(ledger.path), ledger.origin, RUN, "p")


def claim_of(draw: Draw, count: int = 6, escalate: bool = True) -> Claim:
    verdicts = dict.fromkeys(draw.order(len(INTERVALS))[:count], Verdict.VERIFIED)
    return Claim(100, draw, Count(count), escalate, len(INTERVALS), verdicts, "1")


def evidence_of(ledger: Ledger) -> Evidence:
    end = drawing.ends(ledger, RUN)
    assert end.last is not None
    assert end.first is not None
    note = ledger.checkpoint_covering(end.last.index)
    return Evidence(
        origin=ledger.origin,
        ended=end.first.index,
        checkpoint=note,
        root=ledger.root(checkpoints.read(note).size),
        commitments=tuple(
            Commitment(each.index, str(each.body["auditor"]), str(each.body["commitment"]))
            for each in ledger.entries(run=RUN, kind=auditors.COMMITTED)
        ),
        intervals=intervals_digest(INTERVALS),
        why_not="",
        count=len(INTERVALS),
        version="1",
    )


def drawn(ledger: Ledger) -> tuple[Draw, Claim, Evidence]:
    """A run that was committed to, ended, and audited by the book, with other entries around it."""
    open_run(ledger, embedded(ledger))
    ledger.append(Draft("run.opened", {}, "20261124-ffffffff"))
    close_run(ledger)
    ledger.append(Draft("run.closed", {"returncode": 0}, "20261124-ffffffff"))
    draw = drawing.make(ledger, RUN, INTERVALS, None)
    return draw, claim_of(draw), evidence_of(ledger)


def violated(checked: Checked, *words: str) -> None:
    assert checked.verdict is Verdict.VIOLATED
    assert any(all(word in problem for word in words) for problem in checked.problems), checked.problems


@given(st.binary(min_size=32, max_size=32), st.integers(0, 60))
def test_a_draw_is_every_interval_once(key: bytes, total: int) -> None:
    assert sorted(order(total, key)) == list(range(total))


def test_every_interval_is_about_equally_likely_to_be_drawn() -> None:
    counts = [0] * 10
    for number in range(4000):
        for each in order(10, number.to_bytes(32, "big"))[:3]:
            counts[each] += 1
    assert max(counts) - min(counts) < 250  # expected 1200 each, standard deviation about 29


def note(root: bytes, *more: SignerKey) -> str:
    text = checkpoints.Checkpoint("log.example", 9, root).encode()
    return sign(text, SignerKey("log.example", bytes(32)), *more)


def test_a_draw_depends_on_every_part_of_its_seed() -> None:
    seeds = {
        seed(nonce, checkpoint, run, intervals)
        for nonce, checkpoint, run, intervals in itertools.product(
            (b"a", b"b"), (note(bytes(32)), note(bytes([1] * 32))), ("e", "f"), ("g", "h")
        )
    }
    assert len(seeds) == 16


def test_signatures_added_to_a_checkpoint_do_not_change_the_draw() -> None:
    cosigned = note(bytes(32), SignerKey("witness.example", bytes([7] * 32)))
    assert cosigned != note(bytes(32))
    assert seed(b"n", cosigned, "r", "i") == seed(b"n", note(bytes(32)), "r", "i")


def test_a_committed_draw_is_verified_and_the_same_for_everybody(ledger: Ledger) -> None:
    draw, claim, evidence = drawn(ledger)
    assert draw.binding is Binding.COMMITTED
    checked = check(claim, evidence)
    assert (checked.verdict, checked.problems, checked.unbound) == (Verdict.VERIFIED, (), ())
    assert drawing.make(ledger, RUN, INTERVALS, None) == draw


def test_nobody_without_the_auditors_key_can_tell_the_nonce_from_the_ledger(ledger: Ledger) -> None:
    open_run(ledger, embedded(ledger))
    entry = next(iter(ledger.entries(kind=auditors.COMMITTED)))
    nonce = auditors.nonce(auditors.own_key(ledger.path), ledger.origin, RUN)
    assert nonce.hex() not in str(entry.body)
    other = auditors.nonce(keys.generate(auditors.KEY_NAME), ledger.origin, RUN)
    assert auditors.commitment(other, RUN) != entry.body["commitment"]
    assert (ledger.path / auditors.KEY_FILE).stat().st_mode & 0o077 == 0


def test_a_swapped_nonce_is_named(ledger: Ledger) -> None:
    draw, _, evidence = drawn(ledger)
    swapped = replace(draw, nonce=bytes(64))
    violated(check(claim_of(swapped), evidence), "not the one committed to")


def test_a_nonce_that_is_not_the_auditors_signature_is_named(ledger: Ledger) -> None:
    """An auditor who commits to a number of his own choosing is told from one who could not choose."""
    chosen = bytes(range(64))
    body = {
        "format": auditors.FORMAT,
        "auditor": keys.key_id(auditors.own_key(ledger.path).verifier),
        "commitment": auditors.commitment(chosen, RUN),
    }
    open_run(ledger, Draft(auditors.COMMITTED, body, RUN, "p"))
    close_run(ledger)
    entry = next(iter(ledger.entries(kind=auditors.COMMITTED)))
    end = drawing.ends(ledger, RUN).last
    assert end is not None
    note_ = ledger.checkpoint_covering(end.index)
    draw = Draw(RUN, chosen, note_, intervals_digest(INTERVALS), entry.index)
    violated(check(claim_of(draw), evidence_of(ledger)), "not the auditor's own")


def test_a_draw_from_a_checkpoint_before_the_end_is_named(ledger: Ledger) -> None:
    open_run(ledger, embedded(ledger))
    early = ledger.checkpoint()
    close_run(ledger)
    draw = replace(drawing.make(ledger, RUN, INTERVALS, None), checkpoint=early)
    violated(check(claim_of(draw), evidence_of(ledger)), "before the run ended", "foreseen")


def test_a_draw_from_a_later_checkpoint_than_the_first_is_named(ledger: Ledger) -> None:
    """Whoever may add entries could otherwise wait for a checkpoint that spares the right intervals."""
    draw, _, evidence = drawn(ledger)
    assert draw.checkpoint != ledger.checkpoint()
    later = replace(draw, checkpoint=ledger.checkpoint())
    violated(check(claim_of(later), evidence), "not from the first checkpoint")


def test_a_checkpoint_that_does_not_sign_the_entries_is_named(ledger: Ledger) -> None:
    _, claim, evidence = drawn(ledger)
    violated(check(claim, replace(evidence, root=bytes(32))), "does not sign the entries")


def test_a_commitment_after_the_close_is_named_and_not_used(ledger: Ledger) -> None:
    open_run(ledger)
    close_run(ledger)
    late = ledger.append(embedded(ledger))[0].index
    draw = drawing.make(ledger, RUN, INTERVALS, None)
    assert draw.binding is Binding.FRESH
    nonce = auditors.nonce(auditors.own_key(ledger.path), ledger.origin, RUN)
    forged = replace(draw, nonce=nonce, commitment=late, why_fresh="")
    violated(check(claim_of(forged), evidence_of(ledger)), "after the run ended")


def test_a_commitment_of_another_run_is_named(ledger: Ledger) -> None:
    draw, claim, evidence = drawn(ledger)
    other = replace(evidence, commitments=())
    violated(check(claim, other), f"entry {draw.commitment}", "no commitment")
    # Nor does one run's nonce open another run's commitment.
    assert auditors.commitment(draw.nonce, "another") != auditors.commitment(draw.nonce, RUN)


def test_a_changed_list_of_intervals_is_named(ledger: Ledger) -> None:
    draw, _, evidence = drawn(ledger)
    cut = (*INTERVALS[:-1], replace(INTERVALS[-1], stop=395))
    other = replace(draw, intervals=intervals_digest(cut))
    violated(check(claim_of(other), evidence), "list of intervals")
    newer = check(claim_of(other), replace(evidence, version="2"))
    assert newer.verdict is Verdict.UNVERIFIED
    assert "version" in newer.unbound[0]


def test_a_drawn_interval_that_was_left_out_or_exchanged_is_named(ledger: Ledger) -> None:
    _, claim, evidence = drawn(ledger)
    number = next(iter(claim.verdicts))
    fewer = {key: value for key, value in claim.verdicts.items() if key != number}
    violated(check(replace(claim, verdicts=fewer), evidence), "left out", str(number))
    stranger = next(each for each in range(40) if each not in claim.verdicts)
    exchanged = {**fewer, stranger: Verdict.VERIFIED}
    violated(check(replace(claim, verdicts=exchanged), evidence), "does not call for", str(stranger))


def test_surroundings_of_a_mismatch_that_were_not_replayed_are_named(ledger: Ledger) -> None:
    _, claim, evidence = drawn(ledger)
    number = next(each for each in claim.verdicts if each + 1 not in claim.verdicts and each < 39)
    hidden = {**claim.verdicts, number: Verdict.VIOLATED}
    violated(check(replace(claim, verdicts=hidden), evidence), "left out")


def test_without_a_commitment_the_draw_is_called_unbound_and_why(ledger: Ledger) -> None:
    open_run(ledger)
    close_run(ledger)
    draw = drawing.make(ledger, RUN, INTERVALS, None)
    checked = check(claim_of(draw), evidence_of(ledger))
    assert checked.verdict is Verdict.UNVERIFIED
    assert "nobody committed" in checked.unbound[0]
    assert "could have tried many" in checked.unbound[0]


def test_the_committed_nonce_of_a_run_that_goes_on_is_not_shown(ledger: Ledger) -> None:
    open_run(ledger, embedded(ledger))
    draw = drawing.make(ledger, RUN, INTERVALS, None)
    assert draw.binding is Binding.FRESH
    assert "not ended" in draw.why_fresh
    assert draw.nonce != auditors.nonce(auditors.own_key(ledger.path), ledger.origin, RUN)


def test_an_auditor_of_ones_own_commits_once_and_only_while_the_run_goes_on(
    ledger: Ledger, tmp_path: Path
) -> None:
    open_run(ledger, embedded(ledger))
    opened = next(iter(ledger.entries(kind="run.opened")))
    key = auditors.key_at(tmp_path / "own" / "auditor.key", create=True)
    stranger = auditors.key_at(tmp_path / "other" / "auditor.key", create=True)
    index = drawing.commit(ledger, opened, key)
    with pytest.raises(UsageError, match="already"):
        drawing.commit(ledger, opened, key)
    close_run(ledger)
    with pytest.raises(UsageError, match="has ended"):
        drawing.commit(ledger, opened, stranger)
    draw = drawing.make(ledger, RUN, INTERVALS, key)
    assert draw.commitment == index
    assert draw.order(40) != drawing.make(ledger, RUN, INTERVALS, None).order(40)
    checked = check(claim_of(draw), evidence_of(ledger))
    assert checked.verdict is Verdict.VERIFIED
    assert "2 auditors" in checked.notes[0]
    with pytest.raises(UsageError, match="not committed"):
        drawing.make(ledger, RUN, INTERVALS, stranger)
    with pytest.raises(VeristepError, match="no key"):
        auditors.key_at(tmp_path / "none.key", create=False)


def test_an_auditor_who_committed_twice_is_named(ledger: Ledger) -> None:
    """Signatures are not unique: a patched client could commit to several and show the best."""
    _, claim, evidence = drawn(ledger)
    first = evidence.commitments[0]
    twice = replace(evidence, commitments=(first, replace(first, index=2, commitment="sha256:00")))
    assert any("could choose" in each for each in check(claim, twice).notes)


def test_a_nonce_once_shown_gives_everybody_the_same_draw(ledger: Ledger) -> None:
    draw, _, _ = drawn(ledger)
    ledger.append(Draft("audit.done", {"draw": draw.to_json()}, RUN, "p"))
    (ledger.path / auditors.KEY_FILE).unlink()
    assert drawing.make(ledger, RUN, INTERVALS, None) == draw


def test_a_run_that_lost_its_supervisor_ends_with_its_recovery(ledger: Ledger) -> None:
    open_run(ledger, embedded(ledger))
    first = ledger.append(Draft("run.recovered", {}, RUN, "p"))[0].index
    last = ledger.append(Draft("run.recovered", {}, RUN, "p"))[0].index
    end = drawing.ends(ledger, RUN)
    assert (end.first.index if end.first else 0, end.last.index if end.last else 0) == (first, last)
    draw = drawing.make(ledger, RUN, INTERVALS, None)
    assert checkpoints.read(draw.checkpoint).size == last + 1
    assert draw.binding is Binding.COMMITTED


def test_named_intervals_are_no_draw(ledger: Ledger) -> None:
    _, claim, evidence = drawn(ledger)
    assert check(replace(claim, choice=Given((1,))), evidence).verdict is Verdict.NOT_COVERED
