"""Images that an operator's mails show: `<img src="cid:logo.png" alt="…">`, a file in `templates/images/`.

They travel inside the mail (RFC 2392, RFC 2387): nothing is fetched when it is opened, so nobody learns that
it was. Names and sizes are checked when a template is loaded, not when a mail is made.
"""

import base64
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from workers.errors import TemplateError

LARGEST = 100_000
"""Bytes of one image: each mail carries it, and each is stored until it is purged."""
LARGEST_TOGETHER = 200_000
"""Bytes of all images of one mail."""

_SHOWN = re.compile(
    r"""((?:\b(?:src|background)\s*=\s*["']?|\burl\(\s*["']?)cid:)([^"')>\s]*)""", re.IGNORECASE
)
_TAG = re.compile(r"<img\b(?:[^>\"']|\"[^\"]*\"|'[^']*')*>", re.IGNORECASE)
_ALT = re.compile(r"\balt\s*=", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SENT = re.compile(r"cid:([0-9a-f]{32}@inline)")
_KINDS = ((b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpeg"), (b"GIF87a", "gif"), (b"GIF89a", "gif"))
_VECTOR = re.compile(rb"\A(?:\xef\xbb\xbf)?\s*<(?:\?xml|!--|!doctype\s+svg|svg)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class InlineImage:
    """An image as it goes with a mail: its Content-ID without brackets, `png`, `jpeg` or `gif`, its bytes.

    The Content-ID is made of the bytes: it tells nothing of the file's name, and is the same in each mail.
    """

    content_id: str
    kind: str
    content: bytes


def for_browser(html: str, images: Iterable[InlineImage]) -> str:
    """A mail's HTML with its images written into it, as a browser shows them: it knows no other parts."""
    for image in images:
        data = base64.b64encode(image.content).decode("ascii")
        html = html.replace(f"cid:{image.content_id}", f"data:image/{image.kind};base64,{data}")
    return html


class Images:
    """The images of an operator's folder (None: there are none), each read once."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._by_name: dict[str, InlineImage] = {}
        self._by_id: dict[str, InlineImage] = {}

    def apply(self, source: str) -> str:
        """Template source in, the same with Content-IDs for the names of files out. Raises TemplateError."""
        if "cid:" not in source:
            return source
        for tag in _TAG.findall(source):
            if _SHOWN.search(tag) and not _ALT.search(tag):
                raise TemplateError(
                    "an image has no words for readers who see none", 'write alt="…" into its <img>'
                )
        return _SHOWN.sub(lambda match: match[1] + self._image(match[2]).content_id, source)

    def shown_in(self, html: str) -> tuple[InlineImage, ...]:
        """The images that a rendered mail shows, in their order. Raises TemplateError: too large."""
        if not self._by_id:
            return ()
        shown = [self._by_id[ident] for ident in dict.fromkeys(_SENT.findall(html)) if ident in self._by_id]
        together = sum(len(image.content) for image in shown)
        if together > LARGEST_TOGETHER:
            raise TemplateError(
                f"its images have {_kb(together)} together, more than {_kb(LARGEST_TOGETHER)}",
                "make them smaller: each mail carries them",
            )
        return tuple(shown)

    def _image(self, name: str) -> InlineImage:
        if name not in self._by_name:
            image = _made(name, self._read(name))
            self._by_name[name] = self._by_id[image.content_id] = image
        return self._by_name[name]

    def _read(self, name: str) -> bytes:
        if not _NAME.fullmatch(name):
            raise TemplateError(
                f"cid:{name[:64]} names no image",
                "give the name of a file in templates/images: letters, digits, . _ - and no folder",
            )
        try:
            if self._folder is None:
                raise FileNotFoundError
            with (self._folder / name).open("rb") as file:
                return file.read(LARGEST + 1)
        except OSError:
            raise TemplateError(
                f"the image {name} cannot be read", "put it into the folder images of your templates"
            ) from None


def _made(name: str, content: bytes) -> InlineImage:
    if len(content) > LARGEST:
        raise TemplateError(
            f"the image {name} is larger than {_kb(LARGEST)}", "make it smaller: each mail carries it"
        )
    if _VECTOR.match(content) or name.lower().endswith(".svg"):
        raise TemplateError(
            f"the image {name} is an SVG, which most mail programs do not show",
            "save it as PNG, twice as wide as it is to be shown",
        )
    kind = next((kind for begin, kind in _KINDS if content.startswith(begin)), None)
    if kind is None:
        raise TemplateError(f"the image {name} is neither PNG nor JPEG nor GIF", "save it as PNG")
    return InlineImage(hashlib.sha256(content).hexdigest()[:32] + "@inline", kind, content)


def _kb(size: int) -> str:
    return f"{size / 1000:.0f} kB"
