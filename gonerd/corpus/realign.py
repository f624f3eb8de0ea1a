"""Spans moved from one version of a text to another: to the same words in the same place, or not at all."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

from gonerd.errors import GonerdError
from gonerd.records import Annotation, Document, Dropped, Reason, Span, sha256_of

CONTEXT = 24  # code points looked at on either side of a span
_SEGMENT = re.compile(r"[^\n]{60,400}?(?:[.!?][\"”’)]*\s+|\n|$)|[^\n]{1,400}")
_TOKEN = re.compile(r"\w+|[^\w\s]")
_NEIGHBOURS = 3  # tokens on either side that are asked whether they moved along
_PLAIN = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-"})


@dataclass(frozen=True, slots=True)
class _Token:
    start: int
    end: int
    text: str  # with plain quotes and dashes: typography does not move words


@dataclass(frozen=True, slots=True)
class _Segment:
    """A sentence or so: what is aligned as a whole before words are."""

    tokens: tuple[_Token, ...]

    @property
    def words(self) -> tuple[str, ...]:
        """The tokens' texts."""
        return tuple(token.text for token in self.tokens)


def realign(annotation: Annotation, *, old_text: str, document: Document) -> tuple[Annotation, list[Dropped]]:
    """Move the spans of an annotation from `old_text` to the text of `document`.

    Sentences that both texts have are matched first, in order and then moved ones; the words of those that were edited
    are aligned with the likeliest new one (Ratcliff and Metzener 1988, as in difflib). A span is placed where all its
    words went, or else where its surface stands in the same context, and only if the very same characters are there;
    every other span is dropped as unplaced.

    Returns:
        The annotation of the document, and one Dropped for each span that could not be placed.

    Raises:
        GonerdError: the annotation does not refer to `old_text`.
    """
    if annotation.text_sha256 != sha256_of(old_text):
        raise GonerdError("the annotation refers to another text", where=annotation.document_id)
    if annotation.text_sha256 == document.text_sha256:
        return replace(annotation, document_id=document.id), []
    placed = _Placement(old_text, document.text)
    kept: list[Span] = []
    lost = list(annotation.spans)
    for find in (placed.by_words, placed.by_context):
        found = [(span, find(span)) for span in lost]
        lost = [span for span, place in found if place is None or not _insert(kept, place)]
    moved = replace(annotation, document_id=document.id, text_sha256=document.text_sha256, spans=tuple(kept))
    return moved, [_unplaced(document.id, old_text, span) for span in sorted(lost)]


def _unplaced(name: str, text: str, span: Span) -> Dropped:
    return Dropped(name, Reason.UNPLACED, f"{span.label} {text[span.start : span.end]!r} at {span.start}")


def _insert(spans: list[Span], span: Span) -> bool:
    """Insert a span in order unless it overlaps another; tell whether it was inserted."""
    place = bisect_left(spans, span)
    before, after = spans[place - 1 : place] if place else [], spans[place : place + 1]
    if any(other.end > span.start for other in before) or any(other.start < span.end for other in after):
        return False
    spans.insert(place, span)
    return True


class _Placement:
    """Where the words of one text are in another."""

    def __init__(self, old: str, new: str) -> None:
        self._old, self._new = old, new
        before, after = _segments(old), _segments(new)
        self._tokens = [token for segment in before for token in segment.tokens]
        self._starts = [token.start for token in self._tokens]
        self._target = _align(before, after)

    def by_words(self, span: Span) -> Span | None:
        """Return the place to which all words of a span went together, with a neighbour."""
        first = bisect_left(self._starts, span.start + 1) - 1
        last = bisect_left(self._starts, span.end) - 1
        if first < 0:
            return None
        covered = self._tokens[first : last + 1]
        targets = [self._target.get(token.start) for token in covered]
        if not targets or targets[0] is None or targets[-1] is None or not self._accompanied(first, last):
            return None
        start = targets[0].start + span.start - covered[0].start
        end = targets[-1].start + span.end - covered[-1].start
        return self._same(span, start, end)

    def _accompanied(self, first: int, last: int) -> bool:
        """Tell whether one of the words around went along: a lone word may have met its like by chance."""
        own = self._target[self._tokens[first].start].start
        around = [*self._tokens[max(0, first - _NEIGHBOURS) : first], *self._tokens[last + 1 : last + 1 + _NEIGHBOURS]]
        for token in around:
            target = self._target.get(token.start)
            shift = own - self._tokens[first].start
            if target is not None and token.text.isalnum() and abs(target.start - token.start - shift) <= CONTEXT:
                return True
        return len(self._tokens) == last - first + 1

    def by_context(self, span: Span) -> Span | None:
        """Return the one place where the surface stands with the same text before and after it, or on one side."""
        surface = self._old[span.start : span.end]
        before = self._old[max(0, span.start - CONTEXT) : span.start]
        after = self._old[span.end : span.end + CONTEXT]
        for left, right in ((before, after), (before, ""), ("", after)):
            wanted = f"{left}{surface}{right}"
            if len(left) + len(right) < CONTEXT or self._old.count(wanted) != 1 or self._new.count(wanted) != 1:
                continue
            start = self._new.index(wanted) + len(left)
            return self._same(span, start, start + len(surface))
        return None

    def _same(self, span: Span, start: int, end: int) -> Span | None:
        """Return the span at its new place if the same characters are there, cut from no longer word than before."""
        if start < 0 or self._new[start:end] != self._old[span.start : span.end]:
            return None
        if _cuts(self._new, start, end) != _cuts(self._old, span.start, span.end):
            return None
        return Span(start, end, span.label)


def _cuts(text: str, start: int, end: int) -> tuple[bool, bool]:
    """Tell whether a stretch begins, and whether it ends, inside a word."""
    return (
        start > 0 and text[start - 1].isalnum() and text[start].isalnum(),
        end < len(text) and text[end - 1].isalnum() and text[end].isalnum(),
    )


def _segments(text: str) -> list[_Segment]:
    found = (_SEGMENT.finditer(text)) if text else ()
    segments = [_Segment(tuple(_tokens(match.group(), match.start()))) for match in found]
    return [segment for segment in segments if segment.tokens]


def _tokens(text: str, offset: int) -> Iterator[_Token]:
    for match in _TOKEN.finditer(text):
        yield _Token(offset + match.start(), offset + match.end(), match.group().translate(_PLAIN))


def _align(old: Sequence[_Segment], new: Sequence[_Segment]) -> dict[int, _Token]:
    """Return the new token of each old one that has one, by the old one's start."""
    pairs = dict(_equal(old, new))
    pairs.update(_moved(old, new, pairs))
    taken = set(pairs.values())
    targets: dict[int, _Token] = {}
    for i, j in pairs.items():
        _join(targets, old[i].tokens, new[j].tokens)
    free = [j for j in range(len(new)) if j not in taken]
    for i, j in _alike(old, new, [i for i in range(len(old)) if i not in pairs], free):
        around = [new[k] for k in (j - 1, j, j + 1) if 0 <= k < len(new) and k not in taken]
        _join_edited(targets, old[i].tokens, [token for segment in around for token in segment.tokens])
    return targets


def _join(targets: dict[int, _Token], old: Sequence[_Token], new: Sequence[_Token]) -> None:
    targets.update({before.start: after for before, after in zip(old, new, strict=True)})


def _join_edited(targets: dict[int, _Token], old: Sequence[_Token], new: Sequence[_Token]) -> None:
    """Join the words that an edited segment kept; its new version may be cut elsewhere, so `new` has neighbours too."""
    matcher = SequenceMatcher(None, [token.text for token in old], [token.text for token in new], autojunk=False)
    for first, second, size in matcher.get_matching_blocks():
        _join(targets, old[first : first + size], new[second : second + size])


def _equal(old: Sequence[_Segment], new: Sequence[_Segment]) -> Iterator[tuple[int, int]]:
    """Yield the pairs of segments with the same words that come in the same order."""
    matcher = SequenceMatcher(None, [s.words for s in old], [s.words for s in new], autojunk=False)
    for block in matcher.get_matching_blocks():
        yield from ((block.a + step, block.b + step) for step in range(block.size))


def _moved(old: Sequence[_Segment], new: Sequence[_Segment], pairs: Mapping[int, int]) -> Iterator[tuple[int, int]]:
    """Yield the pairs of segments that are left over, have the same words, and are the only ones that do."""
    taken = set(pairs.values())
    places: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
    for j, segment in enumerate(new):
        if j not in taken:
            places[segment.words].append(j)
    left = [i for i in range(len(old)) if i not in pairs]
    counts = Counter(old[i].words for i in left)
    for i in left:
        if counts[old[i].words] == 1 and len(places[old[i].words]) == 1:
            yield i, places[old[i].words][0]


def _alike(
    old: Sequence[_Segment], new: Sequence[_Segment], left: Sequence[int], free: Sequence[int]
) -> Iterator[tuple[int, int]]:
    """Yield for each old segment left over the new one that shares most of its rarer words, if they are a third."""
    holders: defaultdict[str, list[int]] = defaultdict(list)
    for j in free:
        for word in sorted(set(new[j].words)):
            holders[word].append(j)
    for i in left:
        scores: defaultdict[int, float] = defaultdict(float)
        words = sorted(set(old[i].words))
        for word in words:
            for j in holders.get(word, ()):
                scores[j] += 1 / len(holders[word])
        if scores:
            j = _best(scores, near=i)
            if 3 * len(set(old[i].words) & set(new[j].words)) >= len(words):
                yield i, j


def _best(scores: Mapping[int, float], *, near: int) -> int:
    return min(scores, key=lambda j: (-scores[j], abs(j - near)))
