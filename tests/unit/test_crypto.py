"""Customers' data is unreadable without its key, and whatever was changed or moved does not open."""

import base64
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.crypto import KeyRing, Sealer, Tampered, UnknownKey, keyed_hash, new_key
from workers.vault import _base32

PLACE = "customers.email"


def ring_text(*names: str) -> str:
    return ",".join(f"{name}:{base64.b64encode(new_key()).decode()}" for name in names)


@given(st.text())
def test_what_was_sealed_opens_again(words: str) -> None:
    sealer = Sealer(new_key())
    assert sealer.text(sealer.seal(words, PLACE), PLACE) == words


def test_a_sealed_json_value_keeps_its_shape() -> None:
    sealer = Sealer(new_key())
    value = {"姓名": "王女士", "scores": [5, 4, None], "ok": True}
    assert sealer.json(sealer.seal_json(value, PLACE), PLACE) == value


def test_nothing_sealed_reads_as_nothing() -> None:
    sealer = Sealer(new_key())
    assert sealer.text(None, PLACE) == ""
    assert sealer.json(None, PLACE) is None


def test_the_same_words_never_look_the_same_and_never_show() -> None:
    sealer = Sealer(new_key())
    first, second = sealer.seal("13812345678", PLACE), sealer.seal("13812345678", PLACE)
    assert first != second
    assert b"13812345678" not in first


def test_bytes_moved_to_another_column_do_not_open() -> None:
    sealer = Sealer(new_key())
    with pytest.raises(Tampered):
        sealer.open(sealer.seal("alice@example.org", PLACE), "customers.name")


def test_one_customers_key_does_not_open_anothers_data() -> None:
    sealed = Sealer(new_key()).seal("alice@example.org", PLACE)
    with pytest.raises(Tampered):
        Sealer(new_key()).open(sealed, PLACE)


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_a_single_changed_byte_is_noticed(place: int, difference: int) -> None:
    sealer = Sealer(new_key())
    sealed = bytearray(sealer.seal("alice@example.org", PLACE))
    sealed[place % len(sealed)] ^= difference
    with pytest.raises(Tampered):
        sealer.open(bytes(sealed), PLACE)


@given(st.binary(max_size=64))
def test_bytes_that_were_never_sealed_are_refused(junk: bytes) -> None:
    with pytest.raises(Tampered):
        Sealer(new_key()).open(junk, PLACE)


def test_a_data_key_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Sealer(b"short")


def test_a_data_key_is_wrapped_by_the_newest_ring_key_and_unwrapped_by_any() -> None:
    old_text = ring_text("2025")
    data_key = new_key()
    name, wrapped = KeyRing.parse(old_text).wrap(data_key)
    assert name == "2025"
    rotated = KeyRing.parse(f"{ring_text('2026')},{old_text}")
    assert rotated.unwrap(name, wrapped) == data_key
    assert rotated.newest == "2026"
    assert rotated.wrap(data_key)[0] == "2026"


def test_a_ring_without_the_old_key_says_which_one_is_lacking() -> None:
    name, wrapped = KeyRing.parse(ring_text("2025")).wrap(new_key())
    with pytest.raises(UnknownKey, match="2025"):
        KeyRing.parse(ring_text("2026")).unwrap(name, wrapped)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "at least one key"),
        ("no-colon", "key 1 of the ring is not written as id:base64"),
        (":AAAA", "key 1 of the ring is not written as id:base64"),
        ("a:AAAA", "'a' has 3 bytes instead of 32"),
        ("a:%%%", "'a' of the ring is not base64"),
        (f"{'x' * 33}:AAAA", "longer than 32"),
    ],
)
def test_a_wrong_ring_says_what_is_wrong(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        KeyRing.parse(text)


def test_two_ring_keys_with_one_id_are_refused() -> None:
    with pytest.raises(ValueError, match="same id"):
        KeyRing.parse(ring_text("a", "a"))


def test_a_ring_shows_its_ids_and_never_its_keys() -> None:
    text = ring_text("2026", "2025")
    ring = KeyRing.parse(text)
    assert ring.ids == ("2026", "2025")
    assert repr(ring) == "KeyRing(2026, 2025)"
    # what it must not say is looked at below
    with pytest.raises(ValueError) as complaint:  # noqa: PT011
        KeyRing.parse(text.replace("=", "!"))
    assert text.split(":")[1][:20] not in str(complaint.value)


def test_a_look_up_hash_depends_on_key_and_kind_and_nothing_else() -> None:
    key = new_key()
    assert keyed_hash(key, "phone", "13812345678") == keyed_hash(key, "phone", "13812345678")
    assert keyed_hash(key, "phone", "13812345678") != keyed_hash(key, "order", "13812345678")
    assert keyed_hash(key, "phone", "13812345678") != keyed_hash(new_key(), "phone", "13812345678")
    assert keyed_hash(key, "ab", "c") != keyed_hash(key, "a", "bc")
    assert len(keyed_hash(key, "phone", "1")) == 32


def test_tokens_are_base32_as_the_standard_library_writes_it() -> None:
    for length in range(60):
        raw = os.urandom(length)
        assert _base32(raw) == base64.b32encode(raw).decode().rstrip("=").lower()
