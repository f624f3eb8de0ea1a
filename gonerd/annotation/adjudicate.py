"""From several passes to gold: what all agree on passes, the rest goes by a stated policy, and a trail says why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from gonerd.annotation.compare import by_document, texts_of
from gonerd.annotation.decisions import Decision, place_decisions
from gonerd.annotation.passes import Move
from gonerd.errors import GonerdError, unknown_name
from gonerd.formats.standoff import standoff_span
from gonerd.records import Annotation, Document, Dropped, Reason, Span

GOLD = "gold"
"""The annotator of what adjudication returns."""

Bounds = tuple[int, int]
Proposals = dict[str, "str | None"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AdjudicateConfig:
    """How differences between annotators are settled."""

    policy: str = "decisions"
    """What settles a difference that no decision does: `majority` (more than half of three or more; what has none stays
    open), `senior:NAME` (that annotator), or `decisions` (nothing: it stays open)."""


@dataclass(frozen=True, slots=True)
class Trail:
    """One place that somebody marked, what holds there, who says so, and why."""

    document_id: str
    start: int
    end: int
    surface: str
    label: str | None  # None: rejected
    proposals: Proposals  # each annotator's label for these boundaries
    by: str  # "agreement", "majority", or the name of who decided
    why: str


@dataclass(frozen=True, slots=True)
class Difference:
    """A place that waits for a decision: a line of the queue, which holds what a decision needs but label, by, why."""

    document_id: str
    text_sha256: str
    start: int
    end: int
    surface: str
    before: str
    after: str
    proposals: Proposals


@dataclass(frozen=True, slots=True)
class Adjudication:
    """Gold with its trail; documents that have no gold are among `dropped`."""

    gold: tuple[Annotation, ...]
    trail: tuple[Trail, ...]
    dropped: tuple[Dropped, ...]
    queue: tuple[Difference, ...]


Verdict = tuple["str | None", str, str]
"""Label or None, by, why."""
Judge = Callable[[Proposals], "Verdict | None"]
"""Settles a difference by the proposals alone, or leaves it open (None)."""


@dataclass(frozen=True, slots=True)
class _Case:
    """One document with the passes of all annotators."""

    document: Document
    scheme: str
    proposals: dict[Bounds, Proposals]  # in order

    def trail(self, bounds: Bounds, label: str | None, by: str, why: str) -> Trail:
        surface = self.document.text[slice(*bounds)]
        return Trail(self.document.id, *bounds, surface, label, self.proposals.get(bounds, {}), by, why)

    def difference(self, bounds: Bounds) -> Difference:
        there = standoff_span(self.document.text, Span(*bounds, ""))
        return Difference(
            self.document.id,
            self.document.text_sha256,
            *bounds,
            there.surface,
            there.before,
            there.after,
            self.proposals[bounds],
        )


def adjudicate(
    passes: Mapping[str, Sequence[Annotation]],
    documents: Iterable[Document],
    *,
    config: AdjudicateConfig,
    decisions: Iterable[Decision] = (),
    move: Move,
    leave_open: bool = False,
) -> Adjudication:
    """Return the gold of the documents that all annotators have annotated, with the trail of every decision.

    A decision comes before the policy, and overrules agreement too; one that accepts a span also settles the
    differences that it overlaps. With `leave_open`, the documents with open differences are dropped and the differences
    are in the queue.

    Raises:
        GonerdError: the policy is unknown or does not fit the annotators, differences are open (and nothing is
            returned), two accepted spans overlap, or the passes do not fit one another or the documents.
    """
    table = by_document(passes)
    held = {document.id: document for document in documents if document.id in table}
    texts_of(table, held.values())
    judge = _judge(config.policy, sorted(passes))
    scheme = next(annotation.scheme for there in table.values() for annotation in there.values())
    placed, dropped = place_decisions(decisions, held.values(), scheme=scheme, move=move)
    trail: list[Trail] = []
    queue: list[Difference] = []
    gold: list[Annotation] = []
    for name, there in table.items():
        if missing := sorted(passes.keys() - there.keys()):
            dropped.append(Dropped(name, Reason.NO_ANNOTATION, f"no pass by {', '.join(missing)}"))
            continue
        case = _Case(held[name], scheme, _proposals(there))
        entries, waiting = _settle(case, placed.get(name, []), judge)
        queue += (case.difference(bounds) for bounds in waiting)
        if waiting:
            dropped.append(Dropped(name, Reason.NO_ANNOTATION, f"{len(waiting)} differences are open"))
            continue
        gold.append(_gold(case, entries))
        trail += entries
    _refuse_open(queue, leave_open=leave_open)
    return Adjudication(tuple(gold), tuple(trail), tuple(dropped), tuple(queue))


def _refuse_open(queue: Sequence[Difference], *, leave_open: bool) -> None:
    if queue and not leave_open:
        first = queue[0]
        raise GonerdError(
            f"{len(queue)} differences are open in {len({item.document_id for item in queue})} documents, the first is "
            f"[{first.start}, {first.end}) {first.surface!r} in {first.document_id!r}",
            remedy="Decide them, choose another policy, or write them to a queue file. Nothing was written",
        )


def _judge(policy: str, annotators: Sequence[str]) -> Judge:
    """Return how a policy settles a difference."""
    kind, _, name = policy.partition(":")
    if policy == "decisions":
        return lambda _: None
    if policy == "majority":
        if len(annotators) < 3:
            raise GonerdError(
                f"a majority needs three annotators or more, but there are {len(annotators)}",
                remedy="Take senior:NAME or decisions as the policy",
            )
        return _majority
    if kind == "senior":
        if name not in annotators:
            raise unknown_name("annotator", name, annotators, where="policy")
        return lambda proposals: (proposals[name], name, "senior annotator")
    raise unknown_name("policy", policy, ["majority", "senior:NAME", "decisions"])


def _majority(proposals: Proposals) -> Verdict | None:
    """Take the label, or the absence of a span, that more than half of the annotators have; else leave it open."""
    ((label, count),) = Counter(proposals.values()).most_common(1)
    if 2 * count > len(proposals):
        return label, "majority", f"{count} of {len(proposals)} annotators"
    return None


def _proposals(there: Mapping[str, Annotation]) -> dict[Bounds, Proposals]:
    """Return what each annotator has at every place that anybody marked, in order."""
    marked = {name: {(span.start, span.end): span.label for span in item.spans} for name, item in there.items()}
    places = sorted({bounds for spans in marked.values() for bounds in spans})
    return {bounds: {name: spans.get(bounds) for name, spans in marked.items()} for bounds in places}


def _agreed(case: _Case, bounds: Bounds) -> Trail | None:
    """Return the entry of a place that all annotators mark alike, or None."""
    proposals = case.proposals[bounds]
    first, *others = set(proposals.values())
    if others or first is None:
        return None
    return case.trail(bounds, first, "agreement", f"all {len(proposals)} annotators")


def _settle(case: _Case, decisions: Sequence[Decision], judge: Judge) -> tuple[list[Trail], list[Bounds]]:
    """Settle every place by decisions, agreement, or the policy, in this order; return what stays open too."""
    chosen: dict[Bounds, Decision] = {}
    for decision in decisions:
        if (decision.start, decision.end) in chosen:
            raise GonerdError("decided twice", where=decision.place, remedy="Keep one of the decisions")
        chosen[decision.start, decision.end] = decision
    entries: list[Trail] = []
    waiting: list[Bounds] = []
    for bounds in sorted(case.proposals.keys() | chosen.keys()):
        if bounds in chosen:
            entries.append(case.trail(bounds, chosen[bounds].label, chosen[bounds].by, chosen[bounds].why))
        elif entry := _agreed(case, bounds) or _overruled(case, bounds, chosen):
            entries.append(entry)
        elif verdict := judge(case.proposals[bounds]):
            entries.append(case.trail(bounds, *verdict))
        else:
            waiting.append(bounds)
    return entries, waiting


def _overruled(case: _Case, bounds: Bounds, chosen: Mapping[Bounds, Decision]) -> Trail | None:
    """Return the entry of a difference that an accepted span leaves no room for, or None."""
    for (start, end), decision in sorted(chosen.items()):
        if decision.label is not None and start < bounds[1] and bounds[0] < end:
            why = f"overlaps [{start}, {end}) {decision.label} {decision.surface!r}, which was accepted"
            return case.trail(bounds, None, decision.by, why)
    return None


def _gold(case: _Case, entries: Sequence[Trail]) -> Annotation:
    """Return the gold of a document.

    Raises:
        GonerdError: two of its spans overlap.
    """
    kept = [(Span(entry.start, entry.end, entry.label), entry) for entry in entries if entry.label is not None]
    for (one, first), (other, second) in pairwise(kept):
        if other.start < one.end:
            raise GonerdError(
                f"[{one.start}, {one.end}) {one.label} {first.surface!r} (by {first.by}) overlaps "
                f"[{other.start}, {other.end}) {other.label} {second.surface!r} (by {second.by})",
                where=f"gold of document {case.document.id!r}",
                remedy="Decide for one of them",
            )
    spans = tuple(span for span, _ in kept)
    return Annotation(case.document.id, case.document.text_sha256, GOLD, case.scheme, spans)
