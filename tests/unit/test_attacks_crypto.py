"""Sealed values moved, changed or opened with the wrong key: a clear error, no word of what they hold."""

from __future__ import annotations

import base64
import traceback

import pytest

from models.crypto import KeyRing, Sealer, Tampered, UnknownKey, keyed_hash, new_key

SECRET = "li.na@customer.example"
PLACE = "customers.email"


def told(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)) + repr(error)


def test_a_value_of_one_customer_does_not_open_as_anothers() -> None:
    sealed = Sealer(new_key()).seal(SECRET, PLACE)
    with pytest.raises(Tampered) as caught:
        Sealer(new_key()).text(sealed, PLACE)
    assert SECRET not in told(caught.value)


@pytest.mark.parametrize(
    "place", ["customers.phone", "customers.emai", "customers.email ", "", "CUSTOMERS.EMAIL"]
)
def test_a_value_does_not_open_in_another_column(place: str) -> None:
    sealer = Sealer(new_key())
    with pytest.raises(Tampered):
        sealer.text(sealer.seal(SECRET, PLACE), place)


def test_every_changed_bit_and_every_cut_is_noticed() -> None:
    sealer = Sealer(new_key())
    sealed = sealer.seal(SECRET, PLACE)
    changed = [sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :] for at in range(len(sealed))]
    for broken in (*changed, *(sealed[:at] for at in range(len(sealed))), sealed + b"\0"):
        with pytest.raises(Tampered) as caught:
            sealer.text(broken, PLACE)
        assert SECRET not in told(caught.value)


def test_the_same_words_are_never_sealed_alike() -> None:
    sealer = Sealer(new_key())
    assert len({sealer.seal(SECRET, PLACE) for _ in range(1000)}) == 1000


def test_a_ring_without_the_key_names_the_key_and_gives_none_away() -> None:
    old, new = new_key(), new_key()
    _, wrapped = KeyRing((("old", old),)).wrap(new_key())
    ring = KeyRing((("new", new),))
    with pytest.raises(UnknownKey) as caught:
        ring.unwrap("old", wrapped)
    assert "old" in str(caught.value)
    with pytest.raises(Tampered):
        ring.unwrap("new", wrapped)
    for key in (old, new):
        for form in (base64.b64encode(key).decode(), key.hex(), repr(key)):
            assert form not in told(caught.value) + repr(ring) + str(ring)


@pytest.mark.parametrize("text", ["", "x", "a:%%%", "a:AAAA", "a:{0},a:{0}", ":{0}", "a" * 40 + ":{0}"])
def test_a_ring_that_cannot_be_read_does_not_show_its_keys(text: str) -> None:
    key = base64.b64encode(new_key()).decode()
    with pytest.raises(ValueError, match=r".") as caught:
        KeyRing.parse(text.format(key))
    assert key not in str(caught.value)


def test_kinds_of_what_is_looked_up_are_kept_apart() -> None:
    key = new_key()
    assert keyed_hash(key, "email", "1") != keyed_hash(key, "phone", "1")
    assert keyed_hash(key, "email", "1") != keyed_hash(new_key(), "email", "1")
