"""A check's verdict: what was not checked is never shown as fine."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from veristep.core.checks import Tally, exit_status, judge
from veristep.core.verdicts import Finding, Severity, Verdict
from veristep.errors import ExitStatus

tallies = st.builds(
    Tally,
    total=st.integers(0, 9),
    checked=st.integers(0, 9),
    not_checked=st.dictionaries(st.text(min_size=1, max_size=3), st.integers(0, 3), max_size=2),
)
findings = st.lists(
    st.builds(Finding, st.just("ENV001"), st.sampled_from(Severity), st.just("x")), max_size=3
)


@given(st.dictionaries(st.sampled_from(["files", "loads"]), tallies), findings)
def test_only_what_was_wholly_checked_and_is_not_wrong_is_verified(
    coverage: dict[str, Tally], found: list[Finding]
) -> None:
    result = judge(coverage, found)
    errors = any(each.severity is Severity.ERROR for each in found)
    left = any(count for tally in coverage.values() for count in tally.not_checked.values())
    looked = any(tally.checked for tally in coverage.values())
    assert (result.verdict is Verdict.VIOLATED) == errors
    assert (result.verdict is Verdict.VERIFIED) == (looked and not left and not errors)
    clean = exit_status(result) is ExitStatus.CLEAN
    assert clean == (result.verdict is Verdict.VERIFIED)


def test_a_warning_fails_only_who_asked_for_it() -> None:
    result = judge({"files": Tally(1, 1)}, [Finding("ENV001", Severity.WARNING, "x")])
    assert exit_status(result) is ExitStatus.CLEAN
    assert exit_status(result, Severity.WARNING) is ExitStatus.FINDINGS
