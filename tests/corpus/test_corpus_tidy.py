"""What is done to a page's tree before its text is looked for, and to its paragraphs afterwards."""

import pytest
from lxml import html

from gonerd.corpus.prose import clean, of_the_article
from gonerd.corpus.tidy import PARTED, tidy

LONG = "The harbour board of Saint Osk met on {} and heard Mrs Ada Lovel, who spoke for the ferrymen of the town."


def long(name):
    return f"<p>{LONG.format(name)}</p>"


def tidied(body):
    tree = html.fromstring(f"<html><body>{body}</body></html>")
    tidy(tree)
    return tree


def texts(body, path="//p"):
    return [" ".join(element.text_content().split()).removeprefix(PARTED) for element in tidied(body).xpath(path)]


def test_loose_text_is_put_into_paragraphs():
    assert texts("<div>One <b>bold</b> start<br><br>Two<br>lines<div>Three</div> four</div>") == [
        "One bold start",
        f"Two{PARTED}lines",
        "four",
    ]
    assert tidied("<div>Two<br>lines<br><br>x</div>").xpath("//p[1]/br")
    assert texts("<div>One line alone</div>") == []  # nothing stands beside it
    assert texts("<div> <p>One</p> <p>Two</p> </div>") == ["One", "Two"]


def test_no_text_is_lost_in_tidying():
    body = (
        "<div>a<!-- c --><br>b<br/><br/>c<span>d</span>e<ul><li>f</li></ul>g<br><br></div><div><br><br>h<p>i</p></div>"
    )
    assert clean(tidied(body).text_content()).replace(" ", "") == "abcdefghi"


def test_a_table_of_paragraphs_is_layout_and_one_of_figures_is_a_table():
    layout = f"<table><tr><td>{long(1) * 3}<table><tr><td>7</td></tr></table></td></tr></table>"
    assert len(tidied(layout).xpath("//table")) == 1
    assert tidied(layout).xpath("//table//td")
    assert not tidied(layout).xpath("//td//p")
    assert tidied("<table><tr><td><p>7</p></td></tr></table>").xpath("//td[contains(., '7')]")
    cell = f"<font>{LONG.format(1)}<br>One.<br><br>{LONG.format(2)}</font>"
    assert texts(f"<table><tr><td><a>Home</a><br><a>Ships</a></td><td>{cell}</td></tr></table>")[-1] == LONG.format(2)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("<table><tr><td>Port Adair<br>North quay</td></tr></table>", "Port Adair North quay"),
        ("<table><tr><td><p>Port Adair</p><p>North quay</p></td></tr></table>", "Port Adair North quay"),
        ("<table><tr><th><div><b>Port</b></div>Adair</th></tr></table>", "Port Adair"),
        ("<ul><li><div>Three</div><div>four</div>five</li></ul>", "Three four five"),
        ("<ul><li>One<ul><li>two<br>three</li></ul></li></ul>", "One two three"),
        ("<details><summary>Who?</summary>Nobody.</details>", "Who? Nobody."),
        ("<h2>A head<br/>line</h2>", "A head line"),
        ("<p>one<b>and</b> a<!-- c -->half</p>", "oneand ahalf"),
        ("<p>the bar.<sup><a href='#n1'>1</a></sup> Then H<sub>2</sub>O, m<sup>2</sup></p>", "the bar. Then H2O, m2"),
        ("<p>E=mc<sup><a href='/squares'>2</a></sup></p>", "E=mc2"),
        ("<p>He said <q>no <b>port</b></q>, twice.</p>", "He said “no port”, twice."),
    ],
)
def test_words_are_parted_where_a_browser_parts_them(body, text):
    assert clean(tidied(body).text_content()) == text


def test_a_body_in_parts_is_joined_and_other_articles_are_not():
    part = '<div class="grid"><div class="story__body x">{}</div></div>'
    page = f"<article>{part.format(long(1) * 3)}<div>ad</div>{part.format(long(2) * 3)}</article>"
    tree = tidied(page + f"<article>{part.format(long(3) * 3)}</article>")
    assert [len(body) for body in tree.xpath("//*[@class='story__body x']")] == [6, 0, 3]


@pytest.mark.parametrize(
    "clutter",
    [
        '<div class="NewsletterSignup"><p>Never miss it</p></div>',
        '<section id="related_stories"><p>Goat elected</p></section>',
        '<ul class="most-read"><li>Goat elected</li></ul>',
        '<div class="you-may-also-like">Goat</div>',
        "<article><p>Goat</p></article><article><p>Ferry</p></article><article><p>Fair</p></article>",
    ],
)
def test_clutter_goes_and_what_follows_it_stays(clutter):
    page = f"<article><h1>Ferry</h1>{long(1) * 3}{clutter} tail {long(2) * 3}</article>"
    found = " ".join(tidied(page).text_content().split())
    assert "Goat" not in found
    assert "Never" not in found
    assert found.count("Lovel") == 6
    assert " tail" in found


def test_what_holds_the_article_stays_whatever_its_class():
    page = f"<div class='related'>{long(1) * 9}</div>{long(2)}"
    assert tidied(page).text_content().count("Lovel") == 10
    headed = f"<div class='promo'><h1>Ferry</h1></div>{long(2) * 9}"
    assert "Ferry" in tidied(headed).text_content()


def test_a_popover_goes_and_its_word_stays():
    pop = '<span class="rollover"><a>Ann Lee</a><span class="rollover-card"><b>Ann Lee</b><i>Her</i></span></span>'
    assert texts(f"<p>We met {pop} there.</p>") == ["We met Ann Lee there."]


def test_hostile_trees_end():
    tidied("<div class='related body tooltip'>" * 2_000 + "x")
    tidied("<table><tr><td>" * 300 + long(1) * 9)
    tidied("<ul><li><div>" * 2_000 + "x<br>" * 2_000)
    tidied("<td>" + "<br>" * 20_000)
    tidied(f"<div class='{'related ' * 100_000}'>x</div>")
    tidied("<div>" + "a<br>" * 20_000 + "</div>")


def test_what_a_page_says_of_itself():
    article = [LONG.format(n) for n in range(10)]
    said = [
        "Sign up for our weekly newsletter.",
        "Follow us on Twitter and Facebook",
        "Comments",
        "Advertisement",
        "Related: The goat of Saint Osk",
        "ALL THE GOATS OF SAINT OSK",
        "Have a tip? Write to desk@ledger.example",
        "© 2026 The Ledger",
        "Read more: The fair",
        "To Read the Full Story",
    ]
    links = ["The goat of Saint Osk", "Read more: The fair", "ALL THE GOATS OF SAINT OSK", "Ferry fares", "The fair"]
    mixed = [line for pair in zip(article, said, strict=True) for line in pair]
    assert of_the_article([*mixed, "Ferry fares", "The fair"], links=links) == article


def test_what_only_looks_like_it():
    kept = [
        "Related: two fires in the same street",  # no link
        "Follow the river to Marlow and you will find Ann Lee's house.",
        "More trouble at the quay",  # a link, but no pointer
        "Contact between the two towns was lost in 1931.",
        "THE LAST FERRY",
        "The fair",  # a link, but not at the end
        LONG.format(1),
        "Sign up, said the sergeant; " + LONG.format(2) * 3,
    ]
    assert of_the_article(kept, links=["The fair", "More trouble at the quay"]) == kept


def test_repeats():
    once, twice, question = (LONG.format(n) for n in ("Monday", "Tuesday", "what day"))
    lines = [question, once, twice, question, twice, "Short.", once + "!", "Short.", question]
    assert of_the_article(lines, links=()) == [
        question,
        once,
        twice,
        question,
        "Short.",
        once + "!",
        "Short.",
        question,
    ]
    assert of_the_article(["A", "A", "B", "A"], links=()) == ["A", "B", "A"]


def test_a_page_of_links_keeps_them():
    assert of_the_article(["One", "Two", "Three"], links=["One", "Two", "Three"]) == ["One", "Two", "Three"]
