"""Reads a guideline: its rules, each with sentences marked rightly and wrongly.

A rule is a heading of the third level, its name the first word (`### S2 Titles …`; a label's rule is `### PER: …`). Its
examples stand in blocks marked `diff`: a line with `+` is right, one with `-` wrong, and `[Ann Holt|PER]` is a span.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache

from gonerd.errors import GonerdError
from gonerd.records import Span
from gonerd.resources import folder

_HEADING = re.compile(r"### (?P<name>[A-Z][A-Z0-9]*):? (?P<title>.+)")
_MARKED = re.compile(r"\[(?P<surface>[^\[\]|]+)\|(?P<label>\w+)\]")


@dataclass(frozen=True, slots=True)
class MarkedSentence:
    """A sentence of an example with its spans, in code points of `text`."""

    text: str
    spans: tuple[Span, ...]
    right: bool


@dataclass(slots=True)
class Rule:
    """A rule of a guideline."""

    name: str  # what findings and decisions cite it by
    title: str
    text: str = ""
    examples: list[MarkedSentence] = field(default_factory=list)


@cache
def load_guideline(scheme: str = "gonerd") -> dict[str, Rule]:
    """Return the rules of `annotation_guidelines/<scheme>.md` by name, in order.

    Raises:
        GonerdError: there is none, two rules have one name, or an example stands outside a rule or is marked amiss.
    """
    path = folder("annotation_guidelines") / f"{scheme}.md"
    if not path.is_file():
        raise GonerdError(f"the scheme {scheme!r} has no guideline", where=path)
    rules: dict[str, Rule] = {}
    rule: Rule | None = None
    in_examples = False
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        where = f"{path}, line {number}"
        if line.startswith("#") and not in_examples:
            heading = _HEADING.fullmatch(line)
            rule = Rule(heading["name"], heading["title"]) if heading else None
            if rule and rules.setdefault(rule.name, rule) is not rule:
                raise GonerdError(f"a second rule {rule.name!r}", where=where)
        elif line.startswith("```"):
            in_examples = line == "```diff"
        elif in_examples:
            if rule is None or line[:2] not in ("+ ", "- "):
                raise GonerdError("an example line should begin with '+ ' or '- ', under a rule", where=where)
            rule.examples.append(read_marked(line[2:], right=line[0] == "+", where=where))
        elif rule is not None:
            rule.text += f"{line}\n"
    return rules


def read_marked(line: str, *, right: bool, where: object = None) -> MarkedSentence:
    """Return a line in which spans stand as `[surface|LABEL]`.

    Raises:
        GonerdError: a bracket with a bar in it is no span.
    """
    text, spans, last = "", [], 0
    for mark in _MARKED.finditer(line):
        text += line[last : mark.start()]
        spans.append(Span(len(text), len(text) + len(mark["surface"]), mark["label"]))
        text += mark["surface"]
        last = mark.end()
    text += line[last:]
    if "|" in text:
        raise GonerdError(f"a mark that is no [surface|LABEL] in {line!r}", where=where)
    return MarkedSentence(text, tuple(spans), right)
