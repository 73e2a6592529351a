"""What the parts of a mail are called: names that others chose, made harmless, or neutral ones."""

import email.message
import email.policy
import mimetypes
import re
from email.parser import BytesHeaderParser

from workers.intake.charset import decode, scrub
from workers.intake.headers import decode_words, raw_value

_MAX_NAME = 200
_MOST_PARAMETERS = 100
_MAX_NAMING = 16 * 1024
_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*\u202a-\u202e\u2066-\u2069]+')
_NAMES = {"application/ms-tnef": "winmail.dat", "application/vnd.ms-tnef": "winmail.dat"}
_EXTENSIONS = {"application/pdf": ".pdf", "image/jpeg": ".jpg", "image/png": ".png", "text/plain": ".txt"}

# A parameter is text, or charset, language and text as RFC 2231 has it.
_Parameter = str | tuple[str | None, str | None, str] | None


def parameter(part: email.message.Message, header: str, key: str) -> _Parameter:
    """A parameter of a MIME header. Raw 8-bit text in it is decoded first: the standard parser would turn it
    into question marks.
    """
    whole = raw_value(part, header)
    if key not in whole.lower():
        return None  # as mostly; the standard parser takes apart all of it to find that out
    raw = ";".join(whole.split(";", _MOST_PARAMETERS)[:_MOST_PARAMETERS])
    probe = email.message.Message()
    probe[header] = raw if raw.isascii() else decode(raw.encode("ascii", "surrogateescape")).text
    try:
        return probe.get_param(key, header=header)
    except (ValueError, LookupError, TypeError):
        return None


def file_name(part: email.message.Message) -> str:
    """The file name of a part (RFC 2183, RFC 2231, or an RFC 2047 word as many mailers write it), made
    harmless: no path, no control or direction characters, no leading dot, at most 200 characters.
    """
    for header, key in (("content-disposition", "filename"), ("content-type", "name")):
        value = parameter(part, header, key)
        if isinstance(value, tuple):
            text = decode(value[2].encode("latin-1", "replace"), value[0]).text
        else:
            text = decode_words(value) if value else ""
        name = harmless(text)
        if name:
            return name
    return ""


def harmless(text: str) -> str:
    """A name without path, control and direction characters, at most 200 characters."""
    text = _UNSAFE.sub("_", scrub(text).replace("\\", "/").rpartition("/")[2]).strip(" .")
    if len(text) > _MAX_NAME:
        stem, dot, extension = text.rpartition(".")
        text = f"{stem[: _MAX_NAME - 12]}.{extension[:10]}" if dot else text[:_MAX_NAME]
    return text


def neutral_name(content: bytes, kind: str, number: int) -> str:
    """A name for a part without one, by its media type; an attached mail is named by its subject."""
    if kind in _NAMES:
        return _NAMES[kind]
    if kind in ("message/rfc822", "message/global"):
        inner = BytesHeaderParser(policy=email.policy.compat32).parsebytes(content[:_MAX_NAMING])
        subject = decode_words(raw_value(inner, "subject"))
        return f"{harmless(subject)[:100] or f'message-{number}'}.eml"
    extension = _EXTENSIONS.get(kind) or mimetypes.guess_extension(kind) or ".bin"
    return f"attachment-{number}{extension}"
