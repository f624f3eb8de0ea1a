"""The two kinds of work in the embedded tool: marking spans in documents, and settling where two passes differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, pairwise
from typing import Any

from gonerd.annotation.compare import by_document, texts_of
from gonerd.annotation.contrast import Contrast, contrasts
from gonerd.annotation.decisions import Decision
from gonerd.annotation.session import Saved
from gonerd.errors import GonerdError
from gonerd.formats import jsonl
from gonerd.formats.standoff import StandoffPass, standoff_span
from gonerd.labels import LabelScheme
from gonerd.records import Annotation, Document, Span, check_flat

PASS, DECISIONS = "pass.jsonl", "decisions.jsonl"


@dataclass(frozen=True, slots=True)
class Marks:
    """The work of an annotator on a document: the spans, and the suggestions that are refused."""

    spans: tuple[Span, ...] = ()
    refused: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """What holds over a stretch where two passes differ."""

    spans: tuple[Span, ...]  # none: no name stands there
    why: str = ""


@dataclass(frozen=True, slots=True)
class Choices:
    """The work of an adjudicator on a document, by the number of the difference."""

    taken: dict[str, Choice] = field(default_factory=dict)


@dataclass(frozen=True)
class MarkingDesk:
    """Marks spans, from nothing or from suggestions; the output is a pass of the documents that are done."""

    annotator: str
    scheme: LabelScheme
    documents: tuple[Document, ...]
    suggestions: Mapping[str, tuple[Span, ...]] = field(default_factory=dict)  # by document

    kind = "annotate"
    output = PASS

    def facts(self) -> dict[str, Any]:
        """Return the scheme: suggestions may change from one day to the next."""
        return {"scheme": self.scheme.name}

    def shown(self, number: int) -> dict[str, Any]:
        """Return the suggestions."""
        return {"suggestions": jsonl.to_json(self.suggestions.get(self.documents[number].id, ()))}

    def check(self, number: int, content: Any, *, done: bool) -> tuple[dict[str, Any], bool]:
        """Return the marks as they are kept: spans of the scheme, in order, without blanks at their ends."""
        marks = jsonl.from_json(Marks, content)
        text = self.documents[number].text
        _check_spans(marks.spans, text, self.scheme)
        for span in marks.refused:
            _check_span(span, text, self.scheme)
        return dict(jsonl.to_json(Marks(tuple(sorted(marks.spans)), tuple(sorted(set(marks.refused)))))), done

    def lines(self, number: int, saved: Saved) -> list[str]:
        """Return the document's pass, verified by whoever imports it; nothing before the document is done."""
        document = self.documents[number]
        if not saved.done:
            return []
        entry = StandoffPass(
            document_id=document.id,
            url=document.url,
            text_sha256=document.text_sha256,
            annotator=self.annotator,
            scheme=self.scheme.name,
            spans=tuple(standoff_span(document.text, span) for span in jsonl.from_json(Marks, saved.content).spans),
        )
        return [jsonl.dumps({name: value for name, value in jsonl.to_json(entry).items() if name != "where"})]


def marking_desk(
    annotator: str, documents: Iterable[Document], *, scheme: LabelScheme, suggestions: Iterable[Annotation] = ()
) -> MarkingDesk:
    """Return the desk of an annotator; suggestions for documents that are not there have no effect.

    Raises:
        GonerdError: suggestions are of another text or scheme, or there are two of one document.
    """
    queue = tuple(documents)
    texts = {document.id: document for document in queue}
    found: dict[str, tuple[Span, ...]] = {}
    for annotation in suggestions:
        document = texts.get(annotation.document_id)
        where = f"suggestions for document {annotation.document_id!r}"
        if annotation.scheme != scheme.name:
            raise GonerdError(f"they are of the scheme {annotation.scheme!r}, not {scheme.name!r}", where=where)
        if document is None:
            continue
        if annotation.document_id in found or annotation.text_sha256 != document.text_sha256:
            fault = "there are two" if annotation.document_id in found else "they are of another text"
            raise GonerdError(fault, where=where)
        found[document.id] = annotation.spans
    return MarkingDesk(annotator, scheme, queue, found)


@dataclass(frozen=True)
class SettlingDesk:
    """Settles the differences between two passes; the output is a file of decisions."""

    annotator: str
    scheme: LabelScheme
    documents: tuple[Document, ...]  # those that both passes cover
    names: tuple[str, str]
    passes: Mapping[str, tuple[tuple[Span, ...], tuple[Span, ...]]]  # by document

    kind = "adjudicate"
    output = DECISIONS

    @cached_property
    def differences(self) -> list[list[Contrast]]:
        """Where the two passes differ, by document."""
        return [contrasts(*self.passes[document.id]) for document in self.documents]

    def facts(self) -> dict[str, Any]:
        """Return scheme, names and a digest of the passes: a choice is known by the number of its difference."""
        import hashlib

        content = jsonl.dumps([self.passes[document.id] for document in self.documents])
        digest = hashlib.sha256(content.encode()).hexdigest()
        return {"scheme": self.scheme.name, "between": list(self.names), "passes": digest}

    def shown(self, number: int) -> dict[str, Any]:
        """Return both passes and where they differ."""
        return {
            "names": list(self.names),
            "passes": jsonl.to_json(self.passes[self.documents[number].id]),
            "differences": [[item.start, item.end, item.kind.value] for item in self.differences[number]],
        }

    def check(self, number: int, content: Any, *, done: bool) -> tuple[dict[str, Any], bool]:  # noqa: ARG002 - Desk
        """Return the choices as they are kept; the document is done when every difference is settled."""
        found = jsonl.from_json(Choices, content)
        text, differences = self.documents[number].text, self.differences[number]
        for name, choice in found.taken.items():
            if not name.isascii() or not name.isdigit() or int(name) >= len(differences):
                raise ValueError(f"there is no difference {name!r}")
            stretch = differences[int(name)]
            for span in choice.spans:
                if not (span.start < stretch.end and stretch.start < span.end):
                    raise ValueError(f"[{span.start}, {span.end}) is outside the difference it is to settle")
        first, second = self.passes[self.documents[number].id]
        agreed = set(first) & set(second)
        taken = [span for choice in found.taken.values() for span in choice.spans]
        _check_spans([*agreed, *taken], text, self.scheme, trimmed=taken)
        return dict(jsonl.to_json(found)), len(found.taken) == len(differences)

    def lines(self, number: int, saved: Saved) -> list[str]:
        """Return the decisions on a document: one for each span that was proposed or chosen."""
        document, found = self.documents[number], jsonl.from_json(Choices, saved.content)
        return [
            jsonl.dumps(decision)
            for name, choice in sorted(found.taken.items(), key=lambda item: int(item[0]))
            for decision in self._decisions(document, self.differences[number][int(name)], choice)
        ]

    def _decisions(self, document: Document, difference: Contrast, choice: Choice) -> Iterable[Decision]:
        held = {(span.start, span.end): span.label for span in choice.spans}
        proposed = {(span.start, span.end) for span in (*difference.first, *difference.second)}
        for start, end in sorted(held.keys() | proposed):
            there = standoff_span(document.text, Span(start, end, ""))
            yield Decision(
                document_id=document.id,
                start=start,
                end=end,
                label=held.get((start, end)),
                surface=there.surface,
                by=self.annotator,
                why=choice.why or self._why(difference, choice),
                text_sha256=document.text_sha256,
                before=there.before,
                after=there.after,
                url=document.url,
            )

    def _why(self, difference: Contrast, choice: Choice) -> str:
        """Return what was done, where no reason was given."""
        for name, side in zip(self.names, (difference.first, difference.second), strict=True):
            if choice.spans == side:
                return f"as {name}"
        return "as neither" if choice.spans else "no name"


def settling_desk(
    annotator: str, documents: Iterable[Document], *, scheme: LabelScheme, passes: Sequence[Sequence[Annotation]]
) -> SettlingDesk:
    """Return the desk where the differences of two passes are settled, over the documents that both cover.

    Raises:
        GonerdError: not two annotators, or passes that do not fit one another or the documents.
    """
    named: dict[str, list[Annotation]] = {}
    for annotation in chain.from_iterable(passes):
        named.setdefault(annotation.annotator, []).append(annotation)
    if len(named) != 2:
        raise GonerdError(f"differences are settled between two annotators, but there are {', '.join(named) or 'none'}")
    table = by_document(named)
    held = [document for document in documents if document.id in table]
    texts_of(table, held)
    first, second = named
    both = {
        name: (there[first].spans, there[second].spans)
        for name, there in table.items()
        if first in there and second in there
    }
    queue = tuple(document for document in held if document.id in both)
    return SettlingDesk(annotator, scheme, queue, (first, second), both)


def _check_spans(
    spans: Iterable[Span], text: str, scheme: LabelScheme, *, trimmed: Iterable[Span] | None = None
) -> None:
    """Raise ValueError unless the spans are flat, within the text and of the scheme; `trimmed` ones end in no blank."""
    ordered = sorted(spans)
    for span in ordered if trimmed is None else trimmed:
        _check_span(span, text, scheme)
    for one, other in pairwise(ordered):
        check_flat((one, other), owner="the document")


def _check_span(span: Span, text: str, scheme: LabelScheme) -> None:
    surface = text[span.start : span.end]
    if span.end > len(text):
        raise ValueError(f"[{span.start}, {span.end}) ends after the text's {len(text)} code points")
    if surface != surface.strip():
        raise ValueError(f"[{span.start}, {span.end}) begins or ends with white space")
    if span.label not in scheme.names:
        raise ValueError(f"the label {span.label!r} is not of the scheme {scheme.name!r}")
