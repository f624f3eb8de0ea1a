import random
import re
import unicodedata

import pytest

from gonerd.corpus.realign import realign
from gonerd.errors import GonerdError
from gonerd.records import Annotation, Document, Reason, Span, sha256_of

FIRST = ["Ada", "Boris", "Chloë", "Desmond", "Eskil", "Françoise", "Grace", "Hubert"]
LAST = ["Lovel", "O'Dowd", "Saint-Just", "Rød", "Penrose", "Achterberg", "Marsh", "Teague"]
PLACES = ["Port Ellery", "Harrowgate", "Marlow", "Teague", "Saint Osk", "Brennock"]
FILLER = [
    "said that the meeting would go on",
    "had been asked about the price of fish and did not answer",
    "walked along the quay with three others before noon",
    "signed the paper that lay on the table in the hall",
    "was known for a laugh that could be heard across the water",
    "would not be drawn on what the board had decided",
]


def article(seed, *, paragraphs=12):
    """Return a text with annotated names in it."""
    rng = random.Random(seed)
    text, spans = "", []

    def put(piece, label=None):
        nonlocal text
        if label:
            spans.append(Span(len(text), len(text) + len(piece), label))
        text += piece

    for number in range(paragraphs):
        put("\n\n" if number else "")
        for _ in range(rng.randint(2, 5)):
            put(rng.choice(["On Monday ", "Later ", "Yesterday, 🎶 ", 'Then, "as ever", ']))
            put(f"{rng.choice(FIRST)} {rng.choice(LAST)}", "PER")
            put(f" of {rng.randint(1, 99)} Mill Lane ")
            put(f"{rng.choice(FILLER)}. In ")
            put(rng.choice(PLACES), "LOC")
            put(f" {rng.randint(2, 900)} people {rng.choice(FILLER)}. ")
        text = text.rstrip()
    return text, Annotation("old", sha256_of(text), "gold", "gonerd", tuple(spans))


def curl(text):
    return re.sub(r'"([^"]*)"', r"“\1”", text).replace("'", "’")


def shuffled_sentences(text, rng):
    blocks = text.split("\n\n")
    for n, block in enumerate(blocks):
        sentences = re.split(r"(?<=\.) ", block)
        rng.shuffle(sentences)
        blocks[n] = " ".join(sentences)
    return "\n\n".join(blocks)


def blocks(change):
    def damage(text, rng):
        found = text.split("\n\n")
        change(found, rng)
        return "\n\n".join(found)

    return damage


DAMAGE = {
    "typo": (lambda t, _: t.replace("meeting", "meetting", 1).replace("quay", "key", 1), 0.98),
    "every_typo": (lambda t, _: t.replace("people", "persons"), 0.97),
    "paragraph_inserted": (
        blocks(lambda b, r: b.insert(r.randrange(len(b)), "Ada Lovel was not in Marlow at all.")),
        0.99,
    ),
    "paragraph_removed": (blocks(lambda b, r: b.pop(r.randrange(len(b)))), 0.8),
    "paragraphs_moved": (blocks(lambda b, _: b.insert(0, b.pop())), 0.97),
    "paragraphs_reversed": (blocks(lambda b, _: b.reverse()), 0.97),
    "updated_line": (lambda t, _: "Updated: 3 May 2026\n\n" + t, 0.99),
    "curled": (lambda t, _: curl(t), 0.8),  # names with an apostrophe are other names now
    "sentences_shuffled": (shuffled_sentences, 0.55),  # much is alike in these texts
    "truncated": (lambda t, _: t[: len(t) // 2], 0.45),
    "joined": (lambda t, _: t.replace("\n\n", " "), 0.99),
    "broken_up": (lambda t, _: t.replace(". ", ".\n\n"), 0.99),
    "doubled": (lambda t, _: t + "\n\n" + t, 0.97),
    "renamed": (lambda t, _: t.replace("Marlow", "Marlowe").replace("Ada", "Adah"), 0.7),
    "removed_words": (lambda t, r: " ".join(w for w in t.split(" ") if r.random() > 0.03), 0.85),
}


def moved(annotation, old, new):
    text = unicodedata.normalize("NFC", new)
    return realign(annotation, old_text=old, document=Document("new", text, "s")), text


@pytest.mark.parametrize("name", sorted(DAMAGE))
@pytest.mark.parametrize("seed", range(4))
def test_damage(name, seed):
    change, share = DAMAGE[name]
    old, annotation = article(seed)
    (found, lost), new = moved(annotation, old, change(old, random.Random(seed)))
    surfaces = sorted((old[s.start : s.end], s.label) for s in annotation.spans)
    placed = sorted((new[s.start : s.end], s.label) for s in found.spans)
    assert found.text_sha256 == sha256_of(new)
    assert found.document_id == "new"
    for item in placed:  # every placed span has the surface and label of one that was given
        surfaces.remove(item)
    assert len(surfaces) == len(lost)
    assert {d.reason for d in lost} <= {Reason.UNPLACED}
    assert len(placed) >= share * len(annotation.spans)


@pytest.mark.parametrize("seed", range(4))
def test_spans_go_to_their_own_mention(seed):
    """With every sentence made unique, the place of each mention in the damaged text is known."""
    old, _ = article(seed, paragraphs=20)
    numbers = iter(range(10_000))
    old = re.sub(r" people ", lambda _: f" people in case {next(numbers)} ", old)
    mention = re.compile(r"In ([A-Z][\w ]*?) \d+ people in case (\d+)")
    spans = [Span(m.start(1), m.end(1), m.group(2)) for m in mention.finditer(old)]  # the label names the mention
    annotation = Annotation("old", sha256_of(old), "gold", "gonerd", tuple(spans))
    for change in (shuffled_sentences, DAMAGE["paragraph_removed"][0], DAMAGE["paragraphs_reversed"][0]):
        (found, _), new = moved(annotation, old, change(old, random.Random(seed)))
        assert set(found.spans) <= {Span(m.start(1), m.end(1), m.group(2)) for m in mention.finditer(new)}
        assert len(found.spans) > 0.45 * len(spans)


def place(old, surface, new):
    start = old.index(surface)
    annotation = Annotation("d", sha256_of(old), "gold", "gonerd", (Span(start, start + len(surface), "X"),))
    (found, lost), text = moved(annotation, old, new)
    return [(s.start, text[s.start : s.end]) for s in found.spans], [d.detail for d in lost]


def test_cases():
    assert place("We saw Ann Lee there.", "Ann Lee", "We saw Ann Leeds there.") == ([], ["X 'Ann Lee' at 7"])
    assert place("We saw Lee there.", "Lee", "We saw McLee there.")[0] == []
    assert place("We saw Anglo-Saxon art.", "Anglo", "Today we saw Anglo-Saxon art.")[0] == [(13, "Anglo")]
    assert place("We met x2Go once.", "Go", "Now we met x2Go once.")[0] == [(13, "Go")]
    # the only mention went, and another sentence has the same word
    assert place("The fair at Paris closed.", "Paris", "Hilton, Paris, sang to us all yesterday.")[0] == []
    assert place("A 🎶 for Zoë here.", "Zoë", "So: a 🎶 for Zoë here.")[0] == [(12, "Zoë")]
    assert place("Bergen", "Bergen", "Bergen.")[0] == [(0, "Bergen")]


def test_the_same_text_is_the_same_annotation():
    old, annotation = article(0)
    found, lost = realign(annotation, old_text=old, document=Document("old", old, "s"))
    assert (found, lost) == (annotation, [])


def test_an_annotation_of_another_text_is_refused():
    old, annotation = article(0)
    with pytest.raises(GonerdError, match="another text"):
        realign(annotation, old_text=old + "!", document=Document("old", old, "s"))


@pytest.mark.parametrize("separator", ["\n\n", " "])
def test_long_texts_are_aligned_whole(separator):
    old, annotation = article(1, paragraphs=70)
    assert len(old.split()) > 5000
    old = old.replace("\n\n", separator.ljust(2))
    annotation = Annotation("d", sha256_of(old), "g", "gonerd", annotation.spans)
    new = " ".join(word if n % 11 else f"{word} indeed" for n, word in enumerate(old.split(" ")))
    (found, _), _ = moved(annotation, old, new)
    assert len(found.spans) > 0.7 * len(annotation.spans)
