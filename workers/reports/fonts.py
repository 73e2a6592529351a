"""Fonts for documents: one that has Chinese characters where the words need it, else one for Latin letters.

A document carries the letters it uses, so its readers need no font. None comes with the package: fonts with
Chinese characters have 10 MB and more, and every desktop and Debian's fonts-noto-cjk bring one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

CHINESE = (
    ("NotoSansCJK-Regular.ttc", "NotoSansCJK-Bold.ttc", 2),
    ("NotoSansCJKsc-Regular.otf", "NotoSansCJKsc-Bold.otf", 0),
    ("NotoSansSC-Regular.otf", "NotoSansSC-Bold.otf", 0),
    ("NotoSansSC-Regular.ttf", "NotoSansSC-Bold.ttf", 0),
    ("SourceHanSansSC-Regular.otf", "SourceHanSansSC-Bold.otf", 0),
    ("SourceHanSansCN-Regular.otf", "SourceHanSansCN-Bold.otf", 0),
    ("msyh.ttc", "msyhbd.ttc", 0),
    ("simhei.ttf", "", 0),
    ("wqy-microhei.ttc", "", 0),
    ("wqy-zenhei.ttc", "", 0),
    ("DroidSansFallbackFull.ttf", "", 0),
    ("STHeiti Medium.ttc", "", 1),
    ("Arial Unicode.ttf", "", 0),
)
"""File of the plain face, of the bold one, and the place of simplified Chinese in a collection."""
FOLDERS = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "~/.local/share/fonts",
    "~/.fonts",
    "/System/Library/Fonts",
    "/Library/Fonts",
    "~/Library/Fonts",
    "C:/Windows/Fonts",
)
DEEPEST = 4
"""So many folders below those above a font may lie."""


@dataclass(frozen=True, slots=True)
class Face:
    """A font's files, plain and bold, and its place in a collection. `chinese`: it has Chinese characters."""

    plain: Path
    bold: Path
    place: int = 0
    chinese: bool = False


def face_for(words: str, folders: Sequence[Path] = ()) -> Face | None:
    """A font that can write these words; `folders` are looked through before the system's.

    None: there are Chinese characters among them, and this machine has no font for them.
    """
    if not any(ord(char) > LAST_OF_LATIN for char in words):
        return latin()
    return chinese(folders)


LAST_OF_LATIN = 0x2E7F
"""Chinese, Japanese and Korean characters and their punctuation begin behind it."""


def latin() -> Face:
    """The font for Latin letters that comes with the charts."""
    folder = files("font_lato").joinpath("files")
    return Face(Path(str(folder.joinpath("Lato-Regular.ttf"))), Path(str(folder.joinpath("Lato-Bold.ttf"))))


def chinese(folders: Sequence[Path] = ()) -> Face | None:
    """A font of this machine that has Chinese characters, the best first."""
    known: dict[str, Path] = {}
    wanted = {name.lower() for plain, bold, _ in CHINESE for name in (plain, bold) if name}
    for path in _fonts((*folders, *(Path(each).expanduser() for each in FOLDERS))):
        if path.name.lower() in wanted:
            known.setdefault(path.name.lower(), path)
    for plain, bold, place in CHINESE:
        if plain.lower() in known:
            regular = known[plain.lower()]
            return Face(regular, known.get(bold.lower(), regular), place, chinese=True)
    return None


def _fonts(folders: Sequence[Path]) -> Iterator[Path]:
    for folder in folders:
        depth = len(folder.parts)
        for here, inside, names in os.walk(folder):
            if len(Path(here).parts) - depth >= DEEPEST:
                inside.clear()
            yield from (Path(here) / name for name in names)
