"""A page's tree before its main text is looked for: loose text in paragraphs, split bodies joined, clutter gone.

The rules ask what elements are and what their class names say on any site; none is made for one site.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

PARTED = "␞␟"  # a space that nothing trims; no page has this by chance
BLOCKS = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "center",
        "dd",
        "details",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "iframe",
        "li",
        "main",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "summary",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
        "ul",
        "video",
    ]
)
_BOXES = ("div", "section", "ul", "ol", "li", "p", "a", "span")
_TABLE_PARTS = ("caption", "tbody", "td", "tfoot", "th", "thead", "tr")
_INLINE_OF_OLD = ("font", "tt", "big")
_KEPT = ("p", "li", "h1", "h2", "h3", "h4", "h5", "h6")
_MERGED = ("td", "th", "caption", "dd", "dt", "figcaption", "summary")
_MAY_GO = ("button", "label", "time")
_WRAPPED = ("article", "blockquote", "center", "dd", "div", "main", "section")

# What words in a class name or an id say that an element is not part of the article it stands in.
_CLUTTER = re.compile(
    r"\b(newsletters?|related|recirc\w*|promos?|taboola|outbrain|sign-?up|trending|recommend(ed|ations?)"
    r"|(most|top)-?(read|popular|viewed|stories)|read-?(more|next|also)|(more|also)-(on|from|read|stories)"
    r"|latest-(box|news|stories|headlines)|may-(also-)?like|social-follow|share-?tools?|post-?comments?)\b"
)
_POPOVER = re.compile(r"\b(tooltip|popover|rollover|hover-?card)")
_BODY = re.compile(r"\b(article|story|entry|post)-*(body|content|text)\b|\bbody-+(container|text)\b")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_SEPARATOR = re.compile(r"[\s_:.-]+")
_MOST_CLUTTER = 0.3  # of the words in paragraphs; what holds more is the article, whatever it is called
_LONGEST_NAMES = 1_000  # characters; nobody names a thing at such length
_TEASER_WORDS = 60
_TEASERS = 3  # so many short <article> elements are a list of other articles
_BODY_WORDS = 40


def tidy(tree: Any) -> None:
    """Change a page's tree in place so that nothing is glued and little is there that is not the article.

    - Marks of footnotes, which stick to the word before them, go; quotation marks of `q` are written.
    - Tables that hold paragraphs are there for the layout: their parts are plain boxes from here on.
    - Text that stands loose among blocks, or between two line breaks in a row, becomes a paragraph.
    - Elements with one and the same class that says body or text, as pages have them around advertisements, become one.
    - Pop-ups beside words, boxes for newsletters, related and recommended articles, and rows of short `article`
      elements go, unless much of the page's text is in them.
    - In the end `PARTED` stands wherever words are parted by a block or a line break.
    """
    _drop_marks(tree)
    _quote(tree)
    _open_layout_tables(tree)
    _wrap_loose_text(tree)
    _join_bodies(tree)
    _drop_popovers(tree)
    _drop_clutter(tree)
    _part_words(tree)


@lru_cache(maxsize=1 << 16)
def _says(given: str) -> frozenset[str]:
    """Return what class names and an id say: "clutter", "popover", "body"."""
    names = " ".join(_SEPARATOR.sub("-", _CAMEL.sub("-", name)).lower() for name in given.split())
    kinds = {"clutter": _CLUTTER, "popover": _POPOVER, "body": _BODY}
    return frozenset(kind for kind, pattern in kinds.items() if pattern.search(names))


def _named(tree: Any, kind: str, *tags: str) -> Iterator[Any]:
    """Yield the elements of a tree whose class or id says that they are of a kind."""
    for element in tree.iter(*tags):
        names, name = element.get("class"), element.get("id")
        given = f"{names or ''} {name or ''}"
        if 1 < len(given) <= _LONGEST_NAMES and kind in _says(given):
            yield element


def _words(element: Any) -> int:
    return len("".join(element.itertext()).split())


def _drop_marks(tree: Any) -> None:
    """Drop raised links to another place of the same page."""
    for mark in list(tree.iter("sup")):
        links = list(mark.iter("a"))
        if links and all((link.get("href") or "").startswith("#") for link in links):
            _drop(mark)


def _quote(tree: Any) -> None:
    """Write the quotation marks that a browser shows around short quotations."""
    for quotation in list(tree.iter("q")):
        _add_before(quotation, "“")
        quotation.tail = f"”{quotation.tail or ''}"
        quotation.drop_tag()


def _add_before(element: Any, text: str) -> None:
    before, parent = element.getprevious(), element.getparent()
    if before is not None:
        before.tail = f"{before.tail or ''}{text}"
    elif parent is not None:
        parent.text = f"{parent.text or ''}{text}"


def _part_words(tree: Any) -> None:
    """Put a mark before the first word after the start or the end of a block, and after a line break.

    What looks for the main text takes some blocks and line breaks away without leaving a space in their place; not so
    paragraphs, headings and list items, if they do not stand in a cell or in each other.
    """
    from lxml.etree import iterwalk

    parted = False
    for event, element in iterwalk(tree, events=("start", "end", "comment", "pi")):
        is_start = event == "start"
        if element.tag in BLOCKS or element.tag == "br":
            parted = not (is_start and _is_kept(element))
        attribute = "text" if is_start else "tail"
        text = getattr(element, attribute)
        if text and text.strip():
            if parted:
                setattr(element, attribute, PARTED + text)
            parted = parted and _may_go(element if is_start else element.getparent())


def _may_go(element: Any) -> bool:
    """Tell whether text may be left out together with an element that it is in, and a mark with it."""
    return element is not None and (element.tag in _MAY_GO or next(element.iterancestors(*_MAY_GO), None) is not None)


def _is_kept(element: Any) -> bool:
    """Tell whether an element comes out as a paragraph of its own."""
    return element.tag in _KEPT and next(element.iterancestors(*_KEPT, *_MERGED), None) is None


def _is_layout(table: Any) -> bool:
    """Tell whether a table holds running text: paragraphs, or cells with two line breaks in a row."""
    if sum(map(_words, table.iter("p", "h1", "h2"))) >= _BODY_WORDS:
        return True
    return any(_words(cell) >= _BODY_WORDS and any(map(_is_doubled, cell.iter("br"))) for cell in table.iter("td"))


def _is_doubled(line_break: Any) -> bool:
    following = line_break.getnext()
    return following is not None and following.tag == "br" and not (line_break.tail or "").strip()


def _open_layout_tables(tree: Any) -> None:
    for element in list(tree.iter(*_INLINE_OF_OLD)):
        element.drop_tag()
    for table in tree.iter("table"):
        if _is_layout(table):
            parts = [part for part in table.iter(*_TABLE_PARTS) if next(part.iterancestors("table")) is table]
            for part in (table, *parts):
                part.tag = "div"


def _wrap_loose_text(tree: Any) -> None:
    for element in list(tree.iter(*_WRAPPED)):
        if _has_loose_text(element):
            _wrap(element)


def _has_loose_text(element: Any) -> bool:
    """Tell whether text lies beside blocks, or two line breaks in a row, among the children of an element."""
    loose = bool((element.text or "").strip())
    blocks = double = False
    before = None
    for child in element:
        loose = loose or bool((child.tail or "").strip())
        blocks = blocks or child.tag in BLOCKS
        double = double or (child.tag == "br" and before is not None)
        before = child if child.tag == "br" and not (child.tail or "").strip() else None
    return loose and (blocks or double)


def _wrap(element: Any) -> None:
    """Put each run of text and inline elements into a paragraph of its own."""
    children = list(element)
    runs: list[Any] = []
    new: list[Any] = []

    def close() -> None:
        if runs and (text := _paragraph(element, runs)) is not None:
            new.append(text)
        runs.clear()

    runs.append(element.text or "")
    element.text = None
    breaks = 0
    for child in children:
        tail, child.tail = child.tail or "", None
        element.remove(child)
        breaks = breaks + 1 if child.tag == "br" else 0
        if child.tag in BLOCKS:
            close()
            new.append(child)
        elif breaks == 2:
            close()
        else:
            runs.append(child)
        runs.append(tail)
        breaks = 0 if tail.strip() else breaks
    close()
    element.extend(new)


def _paragraph(element: Any, run: list[Any]) -> Any:
    """Return a paragraph of texts and inline elements; None for white space alone."""
    if not any(part.strip() if isinstance(part, str) else _counts(part) for part in run):
        return None
    made = element.makeelement("p")
    for part in run:
        if not isinstance(part, str):
            made.append(part)
        elif len(made):
            made[-1].tail = (made[-1].tail or "") + part
        else:
            made.text = (made.text or "") + part
    return made


def _counts(element: Any) -> bool:
    return isinstance(element.tag, str) and element.tag != "br"


def _join_bodies(tree: Any) -> None:
    """Move the content of further elements of one class, in the same article, into the first one."""
    groups: defaultdict[tuple[Any, str, str], list[Any]] = defaultdict(list)
    for element in _named(tree, "body", "div", "section"):
        if sum(map(_words, element.findall("p"))) >= _BODY_WORDS:
            around = next(element.iterancestors("article", "main", "body"), None)
            groups[(around, element.tag, element.get("class") or "")].append(element)
    for (around, _, name), (first, *others) in groups.items():
        if around is None or not name:
            continue
        for other in others:
            if not any(parent in (first, *others) for parent in other.iterancestors()):
                first.extend(list(other))


def _drop_popovers(tree: Any) -> None:
    found = list(_named(tree, "popover", "div", "span", "section"))
    around = {parent for element in found for parent in element.iterancestors()}
    for element in found:
        if element not in around:
            _drop(element)


def _drop(element: Any) -> None:
    parent = element.getparent()
    if parent is None:
        return
    before = element.getprevious()
    if element.tail:
        if before is not None:
            before.tail = (before.tail or "") + element.tail
        else:
            parent.text = (parent.text or "") + element.tail
    parent.remove(element)


def _drop_clutter(tree: Any) -> None:
    most = _MOST_CLUTTER * sum(map(_words, tree.iter("p")))
    for element in [*_named(tree, "clutter", *_BOXES), *_teasers(tree)]:
        if sum(map(_words, element.iter("p"))) <= most and next(element.iter("h1"), None) is None:
            _drop(element)


def _teasers(tree: Any) -> list[Any]:
    articles = list(tree.iter("article"))
    short = [article for article in articles if _words(article) < _TEASER_WORDS]
    return short if len(short) >= _TEASERS and len(short) < len(articles) else []
