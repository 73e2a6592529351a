"""Words of the index: the same for what is kept and what is asked, whatever form they come in."""

from __future__ import annotations

import random
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.crypto import KeyRing, new_key
from workers.search.buckets import BUCKETS, DRAWERS, Bucket, block_of, bucket_of, buckets_of
from workers.search.lists import BLOCK, MOST_LISTED, as_bits, numbers_in, pack, place_of, unpack
from workers.search.lookup import Hit, _ranked
from workers.search.words import LONGEST_WORD, MOST_TOKENS, fold, tokens
from workers.vault import Vault

KNOWN: tuple[tuple[str, list[str]], ...] = (
    ("Printer OFFLINE, error E-42!", ["printer", "offline", "error", "42"]),
    ("打印机脱机", ["打印", "印机", "机脱", "脱机"]),
    ("iPhone手机3台", ["iphone", "手机"]),
    ("ＡＢＣ１２３", ["abc123"]),
    ("Straße café Cafe\u0301", ["strasse", "café"]),
    ("हिन्दी में", ["हिन्दी", "में"]),
    ("プリンター", ["プリ", "リン", "ンタ", "ター"]),
    ("a 税 " + "x" * 41, []),
    ("", []),
)


@pytest.mark.parametrize(("text", "found"), KNOWN)
def test_a_text_is_these_words(text: str, found: list[str]) -> None:
    assert tokens([text]) == found


ANY = st.text(max_size=200)


@given(ANY)
def test_words_are_found_again_in_themselves_and_in_any_normal_form(text: str) -> None:
    found = tokens([text])
    assert len(set(found)) == len(found) <= MOST_TOKENS
    assert all(2 <= len(word) <= LONGEST_WORD for word in found)
    assert fold(fold(text)) == fold(text)
    for form in ("NFC", "NFD", "NFKC"):
        assert tokens([unicodedata.normalize(form, text)]) == found
    # Each word by itself is found by itself: what was seen in a text can be typed as a question.
    assert all(tokens([word]) == [word] for word in found)
    for word in found:
        word.encode()


@given(st.lists(ANY, max_size=4))
def test_several_texts_are_as_one_with_gaps(texts: list[str]) -> None:
    assert tokens(texts) == tokens(["\n".join(texts)])


@given(st.text(alphabet="abcXYZéÄß 0123", max_size=60))
def test_case_does_not_matter(text: str) -> None:
    assert tokens([text.upper()]) == tokens([text.lower()]) == tokens([text])


def test_huge_texts_end() -> None:
    assert len(tokens([" ".join(f"w{n}" for n in range(50_000))])) == MOST_TOKENS
    assert tokens(["好" * 500_000]) == ["好好"]


PLACES = st.sets(st.integers(0, BLOCK - 1), max_size=40)


@given(PLACES)
def test_a_list_comes_back_as_it_was(places: set[int]) -> None:
    many, packed = pack(places)
    assert (many, unpack(many, packed)) == (len(places), places)
    assert numbers_in(2, as_bits(many, packed)) == sorted((2 * BLOCK + each for each in places), reverse=True)


def test_a_long_list_takes_a_bit_each_and_no_more_room_than_a_row_has() -> None:
    for count in (MOST_LISTED - 1, MOST_LISTED, MOST_LISTED + 1, BLOCK):
        places = set(range(count))
        many, packed = pack(places)
        assert len(packed) <= BLOCK // 8 < 2_000
        assert unpack(many, packed) == places
        assert as_bits(many, packed).bit_count() == count
    assert place_of(BLOCK) == (1, 0)


BUCKET = 1_300
FEW = st.sets(st.one_of(st.integers(0, 9), st.integers(0, BLOCK - 1)), max_size=5)
# All drawers, the first and last hash of each, and few enough others that the same one comes again.
RESTS = st.one_of(st.integers(0, 2**21 - 1), st.sampled_from([drawer << 16 for drawer in range(DRAWERS)]))
OWN = RESTS.map(lambda rest: (BUCKET << 21 | rest) - 2**32)


@given(st.lists(st.tuples(OWN, FEW), max_size=40), st.randoms())
def test_a_bucket_holds_what_was_last_put_for_each_word_and_nothing_else(
    puts: list[tuple[int, set[int]]], dice: random.Random
) -> None:
    bucket, last = Bucket(), dict(puts)
    for token, places in puts:
        bucket.put(token, places)
    again = Bucket(bucket.packed())
    for token, places in last.items():
        assert list(again.places(token)) == sorted(places)
    assert len(again) == sum(len(places) for places in last.values())
    # Neither what was there before nor the order of writing is left in the bytes.
    other = list(last.items())
    dice.shuffle(other)
    anew = Bucket()
    for token, places in other:
        anew.put(token, places)
    assert anew.packed() == bucket.packed() == again.packed()
    for token in last:
        anew.put(token, ())
    assert anew.packed() == Bucket().packed()


@given(st.integers(-(2**31), 2**31 - 1), st.integers(0, 100))
def test_each_hash_has_one_bucket_in_each_block(token: int, block: int) -> None:
    place = bucket_of(token, block)
    assert block_of(place) == block
    assert buckets_of(token, block * BLOCK + 1)[-1] == place
    assert len(buckets_of(token, block * BLOCK + 1)) == block + 1
    assert bucket_of(token ^ 2**21, block) == place ^ 1
    assert 0 <= place - block * BUCKETS < BUCKETS


def test_rarer_words_weigh_more_and_later_documents_come_first() -> None:
    lists = {1: {0: pack([1, 2, 3])}, 2: {0: pack([1, 9])}, 3: {0: pack(range(500))}}
    hits = _ranked(lists, {1: 5, 2: 7}, {3: 1})
    assert hits == [Hit(13, 1), Hit(8, 9), Hit(6, 3), Hit(6, 2)]


def test_two_installations_hash_a_word_differently_and_each_always_alike() -> None:
    vaults = [Vault(KeyRing((("k", new_key()),))) for _ in range(2)]
    hashes = []
    for vault in vaults:
        vault._own = {"lookup": (None, new_key())}  # type: ignore[dict-item]  # hashes need its bytes only
        hashes.append(vault.word_hashes(["printer", "打印", "printer"]))
        assert hashes[-1][0] == hashes[-1][2] != hashes[-1][1]
        assert all(-(2**31) <= each < 2**31 for each in hashes[-1])
    assert hashes[0][:2] != hashes[1][:2]
