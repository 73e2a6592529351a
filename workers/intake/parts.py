"""The parts of a MIME tree: which of them are the text, and which are attachments."""

import binascii
import email.message
import email.policy
import hashlib
import mimetypes
import re
from dataclasses import dataclass, field

from workers.intake.charset import decode, scrub
from workers.intake.file_names import file_name, harmless, neutral_name, parameter
from workers.intake.guard import Deadline, Limits, children, media_type
from workers.intake.headers import raw_value
from workers.intake.transfer import base64_bytes, base64_text_bytes, quoted_printable_bytes
from workers.intake.uuencode import without_files

_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,80}/[a-z0-9!#$&^_.+-]{1,120}\Z")
_TYPE_ALONE = re.compile(r"\s*([a-z]{4,12}/[a-z0-9.+-]{2,80})(?=[\s,])")
_META = re.compile(rb"<meta[^>]{1,200}charset\s{0,5}=\s{0,5}[\"']?([\w:.-]{2,40})", re.IGNORECASE)
_UUENCODE = ("x-uuencode", "uuencode", "uue", "x-uue")
# What cannot be read inside, and says so by its type.
_WARNINGS = {
    "application/pkcs7-mime": "encrypted_or_signed",
    "application/x-pkcs7-mime": "encrypted_or_signed",
    "application/pgp-encrypted": "encrypted",
    "message/partial": "partial",
}


@dataclass(frozen=True, slots=True)
class Attachment:
    """One attached file or report part. `name` has no path and no control characters; `size` is in bytes,
    `sha256` in hex, both of `content`, the decoded bytes.
    """

    name: str
    content_type: str
    size: int
    sha256: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Bodies:
    """Plain text and HTML of a mail, the charset of its first text part, and what is attached. `flowed` says
    that lines of the text which end in a blank go on in the next one (RFC 3676).
    """

    text: str
    html: str
    charset: str | None
    attachments: tuple[Attachment, ...]
    warnings: tuple[str, ...]
    flowed: bool = False


class _Collector:
    def __init__(self, limits: Limits, deadline: Deadline) -> None:
        self.limits, self.deadline = limits, deadline
        self.plain: list[str] = []
        self.html: list[str] = []
        self.attachments: list[Attachment] = []
        self.warnings: list[str] = []
        self.charset: str | None = None
        self.flowed = False
        self.named: list[tuple[email.message.Message, str, bytes]] = []

    def take(self, part: email.message.Message) -> None:
        self.deadline.check()
        kind = content_type(part)
        name = file_name(part)
        content = part_bytes(part)
        if kind in ("text/plain", "text/html") and not _is_attached(part, name):
            self._take_text(part, kind, self._without_files(content) if kind == "text/plain" else content)
        elif kind.startswith("multipart/"):
            self._take_text(part, "text/plain", content)  # a multipart without boundary is one text
        else:
            if kind in ("text/plain", "text/html") and not _is_attachment(part) and not self.named:
                self.named.append((part, kind, content))
            if kind in _WARNINGS:
                self.warnings.append(_WARNINGS[kind])
            self._attach(kind, name, content)

    def _without_files(self, content: bytes) -> bytes:
        """The text alone; files that are written into it become attachments."""
        text, files = without_files(content)
        for file in files:
            name = harmless(decode(file.name).text)
            self._attach(mimetypes.guess_type(name)[0] or "application/octet-stream", name, file.content)
        return text

    def finish(self) -> None:
        """Take a named text for the body where there is no other; it stays an attachment, too."""
        if not any(piece.strip() for piece in (*self.plain, *self.html)):
            for part, kind, content in self.named:
                self._take_text(part, kind, content)

    def _take_text(self, part: email.message.Message, kind: str, data: bytes) -> None:
        if len(data) > 4 * self.limits.text:
            data = data[: 4 * self.limits.text]
            self.warnings.append("text_cut")
        label = charset_label(part)
        if label is None and kind == "text/html" and (meta := _META.search(data[:4096])):
            label = meta[1].decode("ascii")
        decoded = decode(data, label)
        self.charset = self.charset or (decoded.codec if decoded.codec != "ascii" else None)
        if decoded.doubtful and label is not None:
            self.warnings.append("charset")
        text = scrub(decoded.text)
        if len(text) > self.limits.text:
            text = text[: self.limits.text]
            self.warnings.append("text_cut")
        self.flowed = self.flowed or (kind == "text/plain" and _is_flowed(part))
        (self.html if kind == "text/html" else self.plain).append(text)

    def _attach(self, kind: str, name: str, content: bytes) -> None:
        number = len(self.attachments) + 1
        self.attachments.append(
            Attachment(
                name=name or neutral_name(content, kind, number),
                content_type=kind,
                size=len(content),
                sha256=hashlib.sha256(content).hexdigest(),
                content=content,
            )
        )


def collect(tree: email.message.Message, limits: Limits, deadline: Deadline) -> Bodies:
    """Text, HTML and attachments of a mail. Of alternatives, each form is taken once; text parts that stand
    side by side are joined. An attached mail stays one attachment. Raises UnreadableMail when time runs out.
    """
    found = _Collector(limits, deadline)
    waiting = [tree]
    while waiting:
        part = waiting.pop()
        if part.is_multipart() and content_type(part).startswith("multipart/"):
            waiting.extend(reversed(children(part)))
        else:
            found.take(part)
    found.finish()
    return Bodies(
        text=_joined(found.plain, limits.text),
        html=_joined(found.html, limits.text),
        charset=found.charset,
        attachments=tuple(found.attachments),
        warnings=tuple(found.warnings),
        flowed=found.flowed,
    )


def _joined(pieces: list[str], limit: int) -> str:
    return "\n".join(piece for piece in pieces if piece.strip())[:limit]


def content_type(part: email.message.Message) -> str:
    """The media type in lower case; what is none counts as text/plain, as RFC 2045 section 5.2 has it."""
    kind = media_type(part).lower()
    if _TYPE.match(kind):
        return kind
    # "application/pdf name=x.pdf": the semicolon is missing, the type is none the less told.
    told = _TYPE_ALONE.match(kind)
    return told[1] if told and not told[1].startswith("multipart/") else "text/plain"


def charset_label(part: email.message.Message) -> str | None:
    """The charset parameter as it was written, or None."""
    value = parameter(part, "content-type", "charset")
    if isinstance(value, tuple):
        value = value[2]
    return value.strip() or None if value else None


def part_bytes(part: email.message.Message) -> bytes:
    """The decoded bytes of a leaf (RFC 2045 section 6), forgiving; an attached mail as it was sent."""
    encoding = raw_value(part, "content-transfer-encoding").strip().lower().strip("\"';")
    if encoding in _UUENCODE:
        return _undecoded(part)  # the one encoding the standard parser reads well enough
    # Without the header the standard parser hands out the bytes as they came.
    del part["content-transfer-encoding"]
    data = _undecoded(part)
    try:
        if encoding.startswith("base64"):
            is_text = content_type(part).startswith("text/")
            return base64_text_bytes(data) if is_text else base64_bytes(data)
        if encoding.startswith("quoted"):
            return quoted_printable_bytes(data)
    except (binascii.Error, ValueError):
        pass
    return data


def _undecoded(part: email.message.Message) -> bytes:
    data = part.get_payload(decode=True)
    return data if isinstance(data, bytes) else b""


def _is_attached(part: email.message.Message, name: str) -> bool:
    return _is_attachment(part) or bool(name)


def _is_attachment(part: email.message.Message) -> bool:
    return raw_value(part, "content-disposition").strip().lower().startswith("attachment")


def _is_flowed(part: email.message.Message) -> bool:
    value = parameter(part, "content-type", "format")
    return isinstance(value, str) and value.strip().lower() == "flowed"
