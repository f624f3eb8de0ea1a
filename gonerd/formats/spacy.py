"""spaCy's DocBin: documents that `spacy train` reads, with everything else of an example in their user data.

A spaCy Doc is its tokens and the spaces between them, so white space other than one space becomes a token of its own,
and so does anything else between two tokens. The rows are read back from the user data and from the text, exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from gonerd.errors import GonerdError, require_file
from gonerd.formats import jsonl
from gonerd.labels import spans_from_tags
from gonerd.records import Example

_KEY = "gonerd"  # of the user data


def write_spacy(examples: Iterable[Example], path: Path) -> int:
    """Write examples as a DocBin, which lies in memory as a whole, and return how many there were.

    The Doc's entities are those of the tags, whose bounds are tokens; the exact spans are in the user data.
    """
    import spacy
    from spacy.tokens import DocBin

    vocab = spacy.blank("en").vocab
    packed = DocBin(attrs=["ENT_IOB", "ENT_TYPE", "SENT_START", "SPACY"], store_user_data=True)
    for example in examples:
        packed.add(_doc(example, vocab))
    path.write_bytes(packed.to_bytes())
    return len(packed)


def read_spacy(path: Path, *, split: str) -> Iterator[Example]:
    """Yield the examples of a DocBin that `write_spacy` wrote.

    Raises:
        GonerdError: the file is no DocBin, or its documents carry no rows of gonerd's.
    """
    import spacy
    from spacy.tokens import DocBin

    require_file(path)
    try:
        packed = DocBin(store_user_data=True).from_bytes(path.read_bytes())
        docs = list(packed.get_docs(spacy.blank("en").vocab))
    except Exception as error:  # spaCy passes on whatever its parts raise
        raise GonerdError(f"not a DocBin ({type(error).__name__})", where=path) from error
    for number, doc in enumerate(docs, start=1):
        row = doc.user_data.get(_KEY)
        if not isinstance(row, str):
            raise GonerdError("the document carries no row of gonerd's", where=f"{path}, document {number}")
        try:
            yield jsonl.from_json(Example, {**jsonl.loads(row), "text": doc.text, "split": split})
        except (ValueError, TypeError) as error:
            raise GonerdError(str(error), where=f"{path}, document {number}") from error


def _doc(example: Example, vocab: Any) -> Any:
    from spacy.tokens import Doc, Span

    words, spaces, places = _words(example)
    # White space before the first word is in the first sentence.
    begins = {places[start] if start else 0 for start in example.sentence_starts or ()}
    marks: list[bool | int | None] = [place in begins for place in range(len(words))]
    doc = Doc(vocab, words=words, spaces=spaces, sent_starts=marks if begins else None)
    doc.ents = tuple(
        Span(doc, places[span.start], places[span.end - 1] + 1, label=span.label)
        for span in spans_from_tags(example.ner_tags)
    )
    row = jsonl.to_json(example)
    doc.user_data[_KEY] = jsonl.dumps({key: value for key, value in row.items() if key not in ("text", "split")})
    return doc


def _words(example: Example) -> tuple[list[str], list[bool], list[int]]:
    """Return spaCy's words, whether a space follows each, and which of them each of our tokens is."""
    words: list[str] = []
    spaces: list[bool] = []
    places: list[int] = []
    ends = [start + len(token) for start, token in zip(example.token_starts, example.tokens, strict=True)]
    bounds = [0, *ends], [*example.token_starts, len(example.text)]
    gaps = [example.text[end:start] for end, start in zip(*bounds, strict=True)]
    for number, gap in enumerate(gaps):
        spaced = bool(words) and gap.startswith(" ")
        if spaced:
            spaces[-1] = True
        if gap[spaced:]:
            words.append(gap[spaced:])
            spaces.append(False)
        if number < len(example.tokens):
            places.append(len(words))
            words.append(example.tokens[number])
            spaces.append(False)
    return words, spaces, places
