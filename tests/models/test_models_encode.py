import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_models import SCHEME, tiny_checkpoint
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from gonerd.encoding import sub_tokens
from gonerd.models.checkpoints import load_checkpoint
from gonerd.models.encode import Reach, encode_documents

ODD = ["", "\u200b", "😀", "👩‍👩‍👧", " ", "a b", "ﷺ", "\n", "x" * 300, "<s>", "</s>", "<pad>", "É"]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return load_checkpoint(tiny_checkpoint(tmp_path_factory.mktemp("model") / "tiny"), scheme=SCHEME)[1]


@pytest.fixture(scope="module")
def stripping_tokenizer():
    """A tokenizer in BERT's manner, which turns a zero-width space into nothing."""
    vocabulary = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "a": 4, "boat": 5}
    inner = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    inner.normalizer = normalizers.BertNormalizer()
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    inner.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="[PAD]", unk_token="[UNK]")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    documents=st.lists(
        st.lists(st.one_of(st.sampled_from(ODD), st.text(max_size=6)), max_size=80), min_size=1, max_size=4
    ),
    overlap=st.integers(0, 13),
)
def test_every_word_is_answered_once_or_counted_as_lost(tokenizer, documents, overlap):
    encoded = list(encode_documents(tokenizer, documents, reach=Reach(16, overlap)))
    assert len(encoded) == len(documents)
    for number, (words, document) in enumerate(zip(documents, encoded, strict=True)):
        answered = [word for piece in document.pieces for word in piece.words.tolist()]
        assert answered == sorted(set(answered))
        assert document.words == len(words) == len(answered) + document.lost_words
        for piece in document.pieces:
            assert piece.document == number
            assert len(piece.input_ids) <= 16
            assert all(0 < position < len(piece.input_ids) - 1 for position in piece.positions)


def test_the_answering_sub_token_is_the_words_first(tokenizer):
    words = ["Ann", "Annsen", "😀", "boat"]
    (document,) = encode_documents(tokenizer, [words], reach=Reach(64, 8))
    (piece,) = document.pieces
    for word, position in zip(piece.words, piece.positions, strict=True):
        alone = tokenizer([words[word]], is_split_into_words=True, add_special_tokens=False)["input_ids"]
        assert piece.input_ids[position : position + len(alone)].tolist() == alone


def test_a_word_is_cut_the_same_first_and_inside(tokenizer):
    ids = tokenizer(["boat", "boat"], is_split_into_words=True, add_special_tokens=False)["input_ids"]
    assert ids[: len(ids) // 2] == ids[len(ids) // 2 :]


def test_words_that_become_nothing_are_counted(stripping_tokenizer):
    words = ["a", "\u200b", "boat", "", "😀", "\u200b"]
    (document,) = encode_documents(stripping_tokenizer, [words], reach=Reach(10, 2))
    assert document.lost_words == 3
    assert [word for piece in document.pieces for word in piece.words] == [0, 2, 4]


def test_an_empty_document_and_one_of_lost_words_have_no_answers(stripping_tokenizer):
    empty, lost = encode_documents(stripping_tokenizer, [[], ["\u200b"]], reach=Reach(10, 2))
    assert (empty.words, empty.lost_words) == (0, 0)
    assert (lost.words, lost.lost_words) == (1, 1)
    assert not any(len(piece.words) for document in (empty, lost) for piece in document.pieces)


def test_more_documents_than_a_batch_keep_their_numbers(tokenizer):
    documents = [[str(number)] for number in range(150)]
    encoded = list(encode_documents(tokenizer, documents, reach=Reach(16, 2)))
    assert [piece.document for document in encoded for piece in document.pieces] == list(range(150))


def byte_level(step):
    """Return a tokenizer of bytes in pairs, as GPT-2's and its followers', with some way of cutting text."""
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = step
    inner.train_from_iterator(
        ["boats of the harbour don't stop at the bridge"] * 5,
        trainers.BpeTrainer(vocab_size=340, special_tokens=["<s>"]),
    )
    return PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>")


CUT = Regex(r" ?[a-z]+| ?[^\sa-z]+")  # as in Llama 3's tokenizer, which encoders such as EuroBERT have


@pytest.mark.parametrize(
    "step",
    [
        pre_tokenizers.ByteLevel(add_prefix_space=False),
        pre_tokenizers.ByteLevel(add_prefix_space=True),
        pre_tokenizers.Sequence(
            [pre_tokenizers.Split(CUT, "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)]
        ),
    ],
)
def test_words_have_the_sub_tokens_that_they_have_in_running_text(step):
    tokenizer = byte_level(step)
    running = tokenizer("the boats of the don't harbour", add_special_tokens=False)["input_ids"]
    (document,) = encode_documents(tokenizer, [["boats", "of", "the", "don't", "harbour"]], reach=Reach(64, 0))
    (piece,) = document.pieces
    assert piece.input_ids.tolist() == running[-len(piece.input_ids) :]
    assert len(piece.input_ids) < len(running)


def test_long_documents_go_through_the_tokenizer_a_few_at_a_time_and_come_out_the_same(tokenizer, monkeypatch):
    documents = [["Ann", "boat", "É"] * length for length in (1, 9, 0, 30, 2, 2)]
    whole = list(encode_documents(tokenizer, documents, reach=Reach(16, 2)))
    given = []

    def recorded(tokenizer, batch):
        given.append([len(words) for words in batch])
        return sub_tokens(tokenizer, batch)

    monkeypatch.setattr("gonerd.encoding.BATCH_WORDS", 40)
    monkeypatch.setattr("gonerd.encoding.sub_tokens", recorded)
    few = list(encode_documents(tokenizer, documents, reach=Reach(16, 2)))
    assert given[-2:] == [[3, 27, 0, 90], [6, 6]]  # before them comes a question about spaces
    for one, other in zip(whole, few, strict=True):
        assert (one.words, one.sub_tokens, len(one.pieces)) == (other.words, other.sub_tokens, len(other.pieces))
        assert all((a.input_ids == b.input_ids).all() for a, b in zip(one.pieces, other.pieces, strict=True))
        assert [piece.document for piece in one.pieces] == [piece.document for piece in other.pieces]
