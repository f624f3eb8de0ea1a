from gonerd.dataset.align import align
from gonerd.records import Span


def aligned(text, tokens, *spans):
    starts, position = [], 0
    for token in tokens:
        starts.append(text.index(token, position))
        position = starts[-1] + len(token)
    return align("d", text, tokens=tokens, token_starts=starts, spans=[Span(*span) for span in spans])


def test_exact_spans_are_not_listed():
    found = aligned("Ann met Bo", ["Ann", "met", "Bo"], (0, 3, "PER"), (8, 10, "PER"))
    assert found.ner_tags == ("B-PER", "O", "B-PER")
    assert found.widened == ()


def test_a_span_inside_a_token_is_widened_and_listed():
    found = aligned("pro-EU 🎉x", ["pro-EU", "🎉x"], (4, 6, "ORG"), (8, 9, "MISC"))
    assert found.ner_tags == ("B-ORG", "B-MISC")
    first, second = found.widened
    assert (first.surface, first.tagged_surface, first.tagged_start, first.tagged_end) == ("EU", "pro-EU", 0, 6)
    assert (second.surface, second.tagged_surface) == ("x", "🎉x")


def test_spans_without_a_token_of_their_own_are_listed_as_untagged():
    text = "Lund-Oslo  end"
    found = aligned(text, ["Lund-Oslo", "end"], (0, 4, "PER"), (5, 9, "LOC"), (9, 10, "MISC"), (11, 14, "ORG"))
    assert found.ner_tags == ("B-PER", "B-ORG")
    assert [(record.surface, record.tagged_start) for record in found.widened] == [
        ("Lund", 0),
        ("Oslo", None),
        (" ", None),
    ]


def test_a_span_that_loses_its_first_token_does_not_take_the_place_of_the_next():
    found = aligned("abcdef ghijkl", ["abcdef", "ghijkl"], (0, 3, "PER"), (3, 9, "PER"), (9, 13, "PER"))
    assert found.ner_tags == ("B-PER", "B-PER")
    assert [(record.start, record.tagged_start) for record in found.widened] == [(0, 0), (3, None), (9, 7)]
