"""Address headers as mailers write them."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from workers.intake import addresses
from workers.intake.addresses import parse_addresses

LISTS = {
    '"Doe, John" <john@X.com>, b@c.example': [("Doe, John", "john@x.com"), ("", "b@c.example")],
    "Doe, John <john@x.com>; Z <z@z.example>": [("Doe, John", "john@x.com"), ("Z", "z@z.example")],
    '"张三,李四" <a@b.example>': [("张三,李四", "a@b.example")],
    "undisclosed-recipients:;": [],
    'Team: a@b.example, "x" <d@e.example>;, q@r.example': [
        ("", "a@b.example"),
        ("x", "d@e.example"),
        ("", "q@r.example"),
    ],
    "=?utf-8?B?5byg5LiJ?= <zs@qq.example>": [("张三", "zs@qq.example")],
    "=?gb2312?B?1cXI/Q==?=<a@163.example>": [("张三", "a@163.example")],
    "=?utf-8?Q?Foo_<a@b.example>?=": [("Foo", "a@b.example")],
    "=?utf-8?Q?a=2C_b?= <a@b.example>": [("a, b", "a@b.example")],
    "a@b.example (Alice B)": [("Alice B", "a@b.example")],
    '"a@b.example" <d@e.example>': [("a@b.example", "d@e.example")],
    "'a@b.example' via list <l@x.example>": [("'a@b.example' via list", "l@x.example")],
    "<@r1.example,@r2.example:u@h.example>": [("", "u@h.example")],
    "John [j@k.example]": [("John", "j@k.example")],
    '"unclosed <a@b.example>': [("unclosed", "a@b.example")],
    "A <a@b.example, B <b@c.example>": [("A", "a@b.example"), ("B", "b@c.example")],
    '"John \\"Q\\" Doe" <j@d.example>': [('John "Q" Doe', "j@d.example")],
    '"weird name"@x.example': [("", '"weird name"@x.example')],
    "MAILER-DAEMON (Mail Delivery System)": [],
    "mailto:a@b.example": [("", "a@b.example")],
}


@pytest.mark.parametrize(("raw", "found"), LISTS.items())
def test_addresses_are_found_as_meant(raw: str, found: list[tuple[str, str]]) -> None:
    assert list(parse_addresses(raw)) == found


@pytest.mark.parametrize(
    "piece", ['"', "(", "<", ",", "\\", "@", '"a" ', "<@", "a@b,", "=?", "(a", '"<', ")(", ":", ";<"]
)
def test_a_hostile_list_costs_no_time(piece: str) -> None:
    began = time.thread_time()  # what it costs, not how long others keep it waiting
    parse_addresses((piece * 130_000)[:130_000])
    assert time.thread_time() - began < 1


@given(st.text(alphabet=st.sampled_from('ab@.<>(),;:"\\ =?\udce4'), max_size=80))
def test_nothing_that_cannot_be_stored_comes_out(raw: str) -> None:
    for name, email in parse_addresses(raw):
        f"{name}{email}".encode()
        assert "@" in email


@given(
    st.builds(
        lambda quote, name, blank, local, domain, end: f"{quote}{name}{quote}{blank}<{local}@{domain}>{end}",
        st.sampled_from(['"', ""]),
        st.text("aB0 .,@!&/+-_\"\\()'é=?", max_size=8),
        st.sampled_from(["", " ", "  "]),
        st.text('aB0._+-:@"', min_size=1, max_size=6),
        st.text("aB0.-_", min_size=1, max_size=6),
        st.sampled_from(["", " ", ",", ";"]),
    )
)
@example('"Wang, Fang" <wang.fang@Customer.example>')
@example("support@Help.example")
def test_a_plain_mailbox_is_read_as_by_the_reader_of_lists(raw: str) -> None:
    assert addresses.parse_addresses(raw) == addresses._read_list(raw, None)
    bare = raw[raw.find("<") + 1 : raw.find(">")]
    assert addresses.parse_addresses(bare) == addresses._read_list(bare, None)
