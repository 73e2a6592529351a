"""What a text message costs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.channels.sms.segments import Segments, count_segments


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("", Segments("GSM-7", 0, 0)),
        ("a" * 160, Segments("GSM-7", 160, 1)),
        ("a" * 161, Segments("GSM-7", 161, 2)),
        ("a" * 306, Segments("GSM-7", 306, 2)),
        ("a" * 307, Segments("GSM-7", 307, 3)),
        ("€" * 80, Segments("GSM-7", 160, 1)),
        ("€" * 81, Segments("GSM-7", 162, 2)),
        # 152 + an escape sequence: the sequence moves whole to the next segment
        ("a" * 152 + "€" + "a" * 152, Segments("GSM-7", 306, 3)),
        ("a" * 151 + "€" + "a" * 153, Segments("GSM-7", 306, 2)),
        ("好" * 70, Segments("UCS-2", 70, 1)),
        ("好" * 71, Segments("UCS-2", 71, 2)),
        ("好" * 134, Segments("UCS-2", 134, 2)),
        ("好" * 135, Segments("UCS-2", 135, 3)),
        ("\N{GRINNING FACE}" * 35, Segments("UCS-2", 70, 1)),
        # 67 is odd: a pair that would be split moves to the next segment
        ("\N{GRINNING FACE}" * 67, Segments("UCS-2", 134, 3)),
        ("price 5\N{NO-BREAK SPACE}EUR", Segments("UCS-2", 11, 1)),
        ("àèéìòù ÄÖÑÜ§ ¿¡ ΔΦΓ @£$¥\n\r", Segments("GSM-7", 26, 1)),
        ("ç", Segments("UCS-2", 1, 1)),  # only the capital is in the alphabet
        ("`", Segments("UCS-2", 1, 1)),
        ("^{}\\[~]|\f", Segments("GSM-7", 18, 1)),
    ],
)
def test_segments_are_counted_as_networks_do(text: str, segments: Segments) -> None:
    assert count_segments(text) == segments


@given(st.text(max_size=500))
def test_there_is_always_room_for_what_was_counted(text: str) -> None:
    found = count_segments(text)
    alone, joined = (160, 153) if found.encoding == "GSM-7" else (70, 67)
    assert (found.count == 0) == (text == "")
    assert found.units <= (alone if found.count == 1 else found.count * joined)
    if found.count > 1:
        assert found.units > alone
        assert found.units > (found.count - 1) * (joined - 1)
    if found.encoding == "UCS-2":
        assert found.units == len(text.encode("utf-16-le")) // 2
