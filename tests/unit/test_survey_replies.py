"""Short replies to a survey, as people write them: a score, something unclear, or something to read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.surveys.scores import Reply, read_reply

CLEAR = {
    "5": 5,
    " ５ ": 5,
    "五": 5,
    "五分": 5,
    "4分": 4,
    "4 stars": 4,
    "满意": 4,
    "满意！": 4,
    "非常满意，谢谢": 5,
    "不满意": 2,
    "非常不满意。等了三天": 1,
    "5 thanks!": 5,
    "2, still broken": 2,
    "1\n\n还是不行": 1,
    "3星": 3,
    "5颗星": 5,
    "五颗星": 5,
    "5\ufe0f\u20e3": 5,
    "4\ufe0f\u20e3 thanks": 4,
    "⭐⭐⭐⭐": 4,
    "★": 1,
    "Very satisfied": 5,
    "dissatisfied, sorry": 2,
}
UNCLEAR = [
    "4 or 5",
    "4.5",
    "10",
    "0",
    "6",
    "5/10",
    "4-5",
    "100%",
    "还行",
    "一般般",
    "不错",
    "ok",
    "👍",
    "good",
    "很差",
    "3或4",
]
WORDS = [
    "3 days and nobody answered",
    "5 orders are missing",
    "一直没有解决",
    "三天没人理",
    "打印机又不行了",
    "满意度怎么可能高",
    "2 of them do not work",
    "My number is 13800005678",
    "",
    "5" * 90,
]


@pytest.mark.parametrize(("text", "score"), CLEAR.items())
def test_a_clear_reply_is_a_score(text: str, score: int) -> None:
    reply = read_reply(text)
    assert (reply.score, reply.unclear) == (score, False)


@pytest.mark.parametrize("text", UNCLEAR)
def test_what_seems_to_rate_is_asked_back(text: str) -> None:
    assert read_reply(text) == Reply(unclear=True)


@pytest.mark.parametrize("text", WORDS)
def test_what_is_something_to_read_is_no_rating(text: str) -> None:
    assert read_reply(text) == Reply()


def test_the_words_beside_a_score_are_kept_as_they_are() -> None:
    assert read_reply("5 Thanks!").comment == "5 Thanks!"
    assert read_reply("５").comment == ""


@given(st.text(max_size=120))
def test_any_text_is_read(text: str) -> None:
    reply = read_reply(text)
    assert reply.score is None or (1 <= reply.score <= 5 and not reply.unclear)
