"""Commands of an agent's mail, told apart from the answer and from notes: pure, whatever the text."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.intake.commands import Command, Instructions, read_commands
from workers.intake.commands.words import LABELS, NAMES, ONE_LINE, fields_of, head_of, time_of
from workers.intake.signatures import is_signature
from workers.rendering.environment import LOCALES, load_labels

WORDS = sorted(set(NAMES) - {word for word, name in NAMES.items() if name == "note"})
PIECES = ["#", "＃", " ", "\u3000", "\n", "\n\n", ":", "：", "4h", "3个工作日", "you", "您好", "原因",
          ">", "5", "-", *NAMES, "#note", "#nope"]  # fmt: skip # packed, to be read at a glance
any_text = st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=30).map("".join))


def names(said: Instructions) -> list[str | None]:
    return [command.name for command in said.commands]


@pytest.mark.parametrize(
    "text",
    [
        "#accept 4h",
        "＃accept 4h",
        "  # Accept: 4h",
        "\u3000＃接单　4h",
        "#接单4h",
        "#接单：4h",
        "# ａｃｃｅｐｔ 4h",
        "\n\n\ufeff#ACCEPT 4h\n",
    ],
)
def test_a_command_is_known_however_it_is_spelled(text: str) -> None:
    said = read_commands(text)
    assert [(command.name, command.words) for command in said.commands] == [("accept", "4h")]
    assert (said.text, said.note, said.understood) == ("", "", True)


def test_what_stands_below_the_commands_is_the_answer() -> None:
    said = read_commands("#accept 4h\n您好，已收到。\n\n稍后答复您。")
    assert names(said) == ["accept"]
    assert said.text == "您好，已收到。\n\n稍后答复您。"


def test_words_of_a_command_go_on_until_an_empty_line_and_stay_inside() -> None:
    said = read_commands("#progress rang the customer,\nhe is angry\n#plan swap it\n\nHello, it comes today.")
    assert [(each.name, each.words) for each in said.commands] == [
        ("progress", "rang the customer,\nhe is angry"),
        ("plan", "swap it"),
    ]
    assert said.text == "Hello, it comes today."


def test_labelled_lines_belong_together_though_a_mail_program_puts_empty_lines_between() -> None:
    said = read_commands(
        "#解决\n\n原因：证书过期\n\n解决方案：已更换证书\n并已重启\n\n注意事项: 清缓存\n\n您好！"
    )
    assert names(said) == ["resolve"]
    assert fields_of("resolve", said.commands[0].words) == {
        "solution": "已更换证书\n并已重启",
        "cause": "证书过期",
        "precautions": "清缓存",
    }
    assert said.text == "您好！"


@pytest.mark.parametrize(
    "text",
    [
        "#5 is broken",
        "# Dear customer",
        "## accept",
        "Hello #accept",
        "#",
        "# 1. first",
        "www.example.com/#accept",
    ],
)
def test_what_is_no_command_is_an_answer(text: str) -> None:
    said = read_commands(text)
    assert (said.commands, said.text, said.understood) == ((), text, True)


def test_an_unknown_command_is_named_and_its_words_are_no_answer() -> None:
    said = read_commands("#progess he is angry\nvery angry\n#accept\nHello")
    assert names(said) == [None, "accept"]
    assert said.commands[0].line == "#progess he is angry"
    assert said.text == "Hello"
    assert not said.understood


def test_a_command_below_the_answer_is_named_and_not_read() -> None:
    said = read_commands("Hello!\n#resolve\ncause: x")
    assert (said.commands, said.misplaced, said.understood) == ((), ("#resolve",), False)


@pytest.mark.parametrize("mark", ["#note", "＃Note：", "#备注", "＃ 内部备注", "#notebook"])
def test_a_note_keeps_all_below_it_inside(mark: str) -> None:
    said = read_commands(f"#accept\nHello\n{mark} he is angry\n\ncall him")
    assert (names(said), said.text) == (["accept"], "Hello")
    assert said.note.endswith("he is angry\n\ncall him")
    first = read_commands(f"#accept\n{mark} he is angry\nHello\n#plan x")
    assert (names(first), first.text, first.misplaced) == (["accept"], "", ("#plan x",))


@pytest.mark.parametrize(
    ("reply", "answer", "note"),
    [
        ("We fixed it.\n#note he is angry\ncall him", "We fixed it.", "he is angry\ncall him"),
        ("已修复。\n  ＃Note：内部\n别告诉他", "已修复。", "内部\n别告诉他"),
        ("#NOTE only", "", "only"),
        ("see note #5", "see note #5", ""),
    ],
)
def test_notes_stay_inside(reply: str, answer: str, note: str) -> None:
    said = read_commands(reply)
    assert (said.text, said.note, said.commands) == (answer, note, ())


@pytest.mark.parametrize(
    ("words", "limit", "rest"),
    [
        ("4h", "4h", ""),
        ("4 hours", "4h", ""),
        ("４小时", "4h", ""),
        ("4个小时内", "4h", ""),
        ("90m", "90m", ""),
        ("90 分钟", "90m", ""),
        ("3wd part missing", "3wd", "part missing"),
        ("3 working days: part missing", "3wd", "part missing"),
        ("3个工作日，等配件", "3wd", "等配件"),
        ("2工作日等配件", "2wd", "等配件"),
    ],
)
def test_a_time_is_read_in_both_languages(words: str, limit: str, rest: str) -> None:
    found = time_of(words)
    assert found is not None
    assert (str(found[0]), found[1]) == (limit, rest)


@pytest.mark.parametrize(
    "words", ["", "soon", "4", "0h", "4x", "h", "-4h", "999999wd", "8785h", "4hhh", "1.5h"]
)
def test_what_is_no_time_is_none(words: str) -> None:
    assert time_of(words) is None


@given(any_text)
def test_any_text_is_read_and_no_command_is_left_in_what_may_leave(text: str) -> None:
    said = read_commands(text)
    lines = {line.strip() for line in text.split("\n")}
    assert {line.strip() for line in said.text.split("\n")} <= lines | {""}
    assert not any(line.lstrip().casefold().startswith(("#note", "＃note")) for line in said.text.split("\n"))
    left = [head for line in said.text.split("\n") if (head := head_of(line)) and head.name]
    assert bool(left) <= bool(said.misplaced)
    for command in said.commands:
        time_of(command.words)
        if command.name is not None and command.name in LABELS:
            fields_of(command.name, command.words)


word = st.text(st.sampled_from("abc您好4,。 "), min_size=1, max_size=20).map(str.strip).filter(bool)
a_command = st.builds(
    lambda name, sign, words: (f"{sign}{name} {words}", NAMES[name], words),
    st.sampled_from(WORDS),
    st.sampled_from(["#", "＃", "  ＃"]),
    word.filter(lambda text: text[0] not in ",，。"),
)


@given(st.lists(a_command, min_size=1, max_size=8), st.lists(word, max_size=5).map("\n".join))
def test_what_is_written_as_commands_is_read_as_these(
    written: list[tuple[str, str, str]], answer: str
) -> None:
    said = read_commands("\n".join(line for line, _, _ in written) + "\n\n" + answer)
    assert said.commands == tuple(Command(name, words, line.strip()) for line, name, words in written)
    assert said.text == answer.strip()
    assert said.understood


@pytest.mark.parametrize(
    "piece",
    ["\n", "#", "#a", "#a\n", "#note\n", "\n\n#resolve\n\n", "原因：\n\n", "#accept 4h\n", "#a-", "a" * 50],
)
def test_a_hostile_text_takes_time_as_its_length(piece: str) -> None:
    def spent(size: int) -> float:
        text = "#resolve x\n" + piece * (size // len(piece))
        best = 9.9
        for _ in range(3):
            start = time.process_time()
            read_commands(text)
            best = min(best, time.process_time() - start)
        return best

    assert spent(200_000) <= 20 * max(spent(50_000), 0.002)


@pytest.mark.parametrize(
    ("text", "only"),
    [
        ("张三\n云帆科技 客服部\n电话 010-1234", True),
        ("Best regards,\nZhang  San\nCloudsail", True),
        ("祝好！\n张三", True),
        ("张三您好，已处理", False),
        ("Thanks", False),
        ("", False),
    ],
)
def test_a_signature_is_no_answer(text: str, only: bool) -> None:
    assert is_signature(text, "Zhang San" if "Zhang" in text else "张三") is only


@pytest.mark.parametrize("locale", LOCALES)
def test_every_form_that_mails_show_is_read_as_its_command(locale: str) -> None:
    forms = load_labels(locale)["command_form"]
    assert set(forms) == set(NAMES.values())
    for name, form in forms.items():
        said = read_commands(form)
        assert names(said) == ([name] if name != "note" else []), form
        assert name != "note" or said.note
    for line in load_labels(locale)["command_help"].values():
        for label in ("resources", "time", "cause", "solution", "资源", "时间", "原因", "解决方案"):
            assert f"{label}: " not in line or any(label in fields for fields in LABELS.values())
    assert set(NAMES.values()) >= ONE_LINE
