"""How wide words are, how they are cut to the room there is, and which of them this machine can draw."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

LATIN = "Lato, sans-serif"
CHINESE = (
    "'Noto Sans CJK SC', 'Noto Sans SC', 'Source Han Sans SC', 'PingFang SC', 'Microsoft YaHei', "
    "'WenQuanYi Micro Hei', 'WenQuanYi Zen Hei', Lato, sans-serif"
)
"""Families of fonts, the wanted ones first."""
WIDE, NARROW = 1.0, 0.56
"""Widths of a character in heights of the text: Chinese ones are as wide as high."""


@dataclass(frozen=True, slots=True)
class Fonts:
    """Where fonts are looked for, beside our own for Latin letters: in the system's and these `folders`."""

    system: bool = True
    folders: tuple[str, ...] = ()

    def files(self) -> list[str]:
        """The font that comes with the package: figures and Latin letters can always be drawn."""
        return [str(files("font_lato").joinpath("files", "Lato-Regular.ttf"))]

    def can_draw(self, words: str) -> bool:
        """Whether every writing in these words has a font here."""
        return all(_drawn(self, each) for each in {_sample(char) for char in words})


ANY = Fonts()


def is_wide(char: str) -> bool:
    """Whether a character is as wide as high, as Chinese ones are."""
    return unicodedata.east_asian_width(char) in "WF"


def width_of(words: str, height: float) -> float:
    """About how wide these words are at this height of text."""
    return height * sum(WIDE if is_wide(char) else NARROW for char in words)


def fitting(words: str, height: float, room: float) -> str:
    """The words, or their beginning with an ellipsis, so that they fit into this room."""
    if width_of(words, height) <= room:
        return words
    kept, left = "", room - width_of("…", height)
    for char in words:
        left -= width_of(char, height)
        if left < 0:
            break
        kept += char
    return kept.rstrip() + "…"


def _sample(char: str) -> str:
    """A character that stands for the writing of this one; "" for what every font has."""
    if char.isascii():
        return ""
    return "中" if "\u4e00" <= char <= "\u9fff" else "가" if "\uac00" <= char <= "\ud7a3" else char


@lru_cache(maxsize=1024)
def _drawn(fonts: Fonts, char: str) -> bool:
    return not char or _picture(fonts, char) not in (_picture(fonts, _NOBODYS), _picture(fonts, " "))


_NOBODYS = "\u0378"
"""A character that Unicode has not given to anybody: it is drawn as all are that no font has."""


@lru_cache(maxsize=64)
def _picture(fonts: Fonts, char: str) -> bytes:
    import resvg_py

    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><text x="2" y="18">{char}</text></svg>'
    )
    return resvg_py.svg_to_bytes(
        svg_string=svg,
        width=24,
        style_sheet=f"text{{font-size:16px;font-family:{LATIN}}}",
        skip_system_fonts=not fonts.system,
        font_files=fonts.files(),
        font_dirs=list(fonts.folders),
    )
