"""An audit from the draw to the ledger entry."""

from __future__ import annotations

from collections.abc import Callable

from veristep.core.canonical import Json, encode
from veristep.ledger.entries import Draft
from veristep.ledger.log import Ledger
from veristep.replay import audit as audits
from veristep.replay import from_start
from veristep.replay import plan as plans
from veristep.replay import recorded as records
from veristep.replay.audit import Audit, Auditor, Judged
from veristep.replay.engines import choose
from veristep.replay.engines.protocol import Options
from veristep.replay.plan import Interval, Plan
from veristep.replay.recorded import RecordedRun

Progress = Callable[[Judged, int], None]


def conduct(
    ledger: Ledger,
    recorded: RecordedRun,
    plan: Plan,
    choice: int | list[Interval],
    progress: Progress,
    nonce: bytes,
    engine: str = "local",
    options: Options | None = None,
) -> Audit:
    """Draw `choice` intervals (or take the given ones), judge them and write the verdict down.

    The draw is derived from the nonce and the ledger's checkpoint; both stand in the entry, so that
    anybody can compute it again.
    """
    checkpoint = ledger.checkpoint()
    seed = plans.draw_seed(nonce, checkpoint, recorded.run)
    chosen = plans.draw(plan.intervals, choice, seed) if isinstance(choice, int) else choice
    origin = records.origin(ledger, recorded)
    auditor = Auditor(ledger.objects, recorded, origin, audits.byte_code_folder())
    judged: list[Judged] = []
    with choose.engine(engine, auditor, options or Options()) as judging:
        for each in judging.run(chosen):
            judged.append(each)
            progress(each, len(chosen))
        audit = audits.summarise(plan, judged, judging.facts, recorded.run)
    _write(ledger, recorded, audit, nonce, checkpoint, drawn=isinstance(choice, int))
    return audit


def conduct_from_start(ledger: Ledger, recorded: RecordedRun) -> Audit:
    """Run the whole script again from its start, judge it and write the verdict down."""
    interval = from_start.whole(recorded)
    origin = records.origin(ledger, recorded)
    auditor = Auditor(ledger.objects, recorded, origin, audits.byte_code_folder())
    judged = from_start.judge(auditor, interval)
    plan = from_start.plan_of(recorded, interval)
    audit = audits.summarise(plan, [judged], auditor.facts, recorded.run, unconditioned=True)
    _write(ledger, recorded, audit, b"", ledger.checkpoint(), drawn=False)
    return audit


def _write(
    ledger: Ledger,
    recorded: RecordedRun,
    audit: Audit,
    nonce: bytes,
    checkpoint: str,
    *,
    drawn: bool,
) -> None:
    project = str(recorded.opened.body.get("project") or "")
    judged: list[Json] = [
        [each.interval.start, each.interval.stop, each.verdict.value, each.reason] for each in audit.judged
    ]
    details = ledger.objects.put(encode({"judged": judged, "result": audit.result.to_json()}))
    body: dict[str, Json] = {
        "verdict": audit.result.verdict.value,
        "reason": audit.result.reason[:1000],
        "coverage": audit.result.coverage.to_json(),
        "objects": {"details": details},
        "drawn": drawn,
        "nonce": nonce.hex(),
        "checkpoint": checkpoint,
        "room": audit.room,
        "seconds": round(audit.seconds, 3),
    }
    drafts = [Draft("audit.done", body, recorded.run, project)]
    drafts += [
        Draft("finding.raised", finding.to_json(), recorded.run, project)
        for finding in audit.result.findings
    ]
    ledger.append(*drafts)
