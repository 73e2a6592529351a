"""An operator's mail shows a logo: it travels inside, and what cannot be shown is said beforehand."""

from __future__ import annotations

import asyncio
import base64
import struct
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Backend
from tests.fakes_smtp import cut
from tests.house import open_house
from tests.unit.test_compose import PARTS, read
from tests.unit.test_dkim import PARTS as SIGNED_PARTS
from tests.unit.test_dkim import SIGNER, good
from workers import promises
from workers.delivery.compose import compose
from workers.errors import TemplateError
from workers.rendering import InlineImage, Renderer, for_browser

LILEI = "lilei@163.example"
SHOWN = '{% extends "email/_base/layout.html" %}{% block title %}Hello{% endblock %}{% block body %}'
LOGO = '<img src="cid:logo.png" alt="Acme Ltd" width="120">'


def png(noise: int = 0) -> bytes:
    """One pixel, and as many bytes of a comment as wanted."""
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)),
        (b"tEXt", b"Comment\0" + b"x" * noise),
        (b"IDAT", zlib.compress(b"\0\0")),
        (b"IEND", b""),
    )
    pieces = (struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
              for kind, data in chunks)  # fmt: skip # packed, to be read at a glance
    return b"\x89PNG\r\n\x1a\n" + b"".join(pieces)


def folder(at: Path, html: str = LOGO, **files: bytes) -> Path:
    """Templates of an operator who has rewritten the receipt; `logo_png=…` is the file logo.png."""
    for name, content in {"logo_png": png(), **files}.items():
        (at / "images").mkdir(parents=True, exist_ok=True)
        (at / "images" / name.replace("_", ".")).write_bytes(content)
    for locale in ("en", "zh_CN"):
        own = at / "email" / "receipt" / locale / "body.html"
        own.parent.mkdir(parents=True, exist_ok=True)
        own.write_text(f"{SHOWN}{html}{{% endblock %}}", "utf-8")
    return at


def rendered(templates: Path) -> Any:
    renderer = Renderer(templates)
    return renderer.render_mail("receipt", "en", renderer.sample("receipt", "en"))


def test_a_logo_travels_beside_the_html_and_before_no_text(tmp_path: Path) -> None:
    mail = rendered(folder(tmp_path, LOGO + LOGO.replace("120", "60")))
    raw = compose(replace(PARTS, text=mail.text, html=mail.html, images=mail.images))
    whole = read(raw)
    assert whole.defects == []
    assert [part.get_content_type() for part in whole.walk()] == [
        "multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png",
    ]  # fmt: skip # packed, to be read at a glance
    related = list(whole.iter_parts())[1]
    assert related.get_param("type") == "text/html"
    html, logo = related.iter_parts()
    assert logo.get_content() == png()
    shown = logo["Content-ID"].strip("<>")
    assert html.get_content().count(f'src="cid:{shown}"') == 2, "one part, however often it is shown"
    assert 'alt="Acme Ltd"' in html.get_content()
    assert logo.get_content_disposition() == "inline"
    assert logo.get_filename() == "image1.png"
    assert b"logo" not in raw, "the file's name stays at home"
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 78
    assert compose(replace(PARTS, text=mail.text, html=mail.html, images=mail.images)) == raw
    assert good(SIGNER.sign(compose(replace(SIGNED_PARTS, html=mail.html, images=mail.images))))


def test_neither_boundary_begins_with_the_other(tmp_path: Path) -> None:
    image = InlineImage("1@inline", "png", png())
    raw = compose(replace(PARTS, images=(image,)))
    outer, inner = (str(part.get_boundary()) for part in read(raw).walk() if part.is_multipart())
    assert not inner.startswith(outer)
    assert not outer.startswith(inner)


def test_our_own_mails_need_no_image_and_look_as_before(tmp_path: Path) -> None:
    shipped, beside = Renderer(), Renderer(folder(tmp_path))
    facts = shipped.sample("assignment", "en")
    assert beside.render_mail("assignment", "en", facts) == shipped.render_mail("assignment", "en", facts)
    assert shipped.render_mail("assignment", "en", facts).images == ()


def test_several_images_are_numbered_and_a_browser_sees_them_too(tmp_path: Path) -> None:
    photo = b"\xff\xd8\xff\xe0" + b"photo" * 20
    html = LOGO + "<img src='cid:us.jpg' alt=''>"
    mail = rendered(folder(tmp_path, html, us_jpg=photo))
    assert [image.kind for image in mail.images] == ["png", "jpeg"]
    *_, last = read(compose(replace(PARTS, html=mail.html, images=mail.images))).walk()
    assert (last.get_filename(), last.get_content_type()) == ("image2.jpg", "image/jpeg")
    page = for_browser(mail.html, mail.images)
    assert base64.b64encode(photo).decode() in page
    assert "cid:" not in page


@pytest.mark.parametrize(
    ("html", "files", "words"),
    [
        ('<img src="cid:logo.svg" alt="x">', {"logo_svg": b"<svg xmlns='x'/>"}, "SVG.*save it as PNG"),
        (LOGO, {"logo_png": b'\xef\xbb\xbf<?xml version="1.0"?><svg/>'}, "SVG"),
        (LOGO, {"logo_png": b"RIFF....WEBP"}, "neither PNG nor JPEG nor GIF"),
        (LOGO, {"logo_png": png(100_000)}, "larger than 100 kB"),
        (
            "".join(f'<img src="cid:{name}.png" alt="">' for name in "abc"),
            {f"{name}_png": png(70_000 + place) for place, name in enumerate("abc")},
            "210 kB together",
        ),
        ('<img src="cid:missing.png" alt="x">', {}, "missing.png cannot be read.*folder images"),
        ('<img src="cid:../secrets.env" alt="x">', {}, "names no image"),
        ('<img src="cid:{{ ticket.number }}" alt="x">', {}, "names no image"),
        ('<img src="cid:logo.png">', {}, "no words for readers"),
    ],
)
def test_what_cannot_be_shown_is_said_with_the_template_and_what_to_do(
    tmp_path: Path, html: str, files: dict[str, bytes], words: str
) -> None:
    with pytest.raises(
        TemplateError, match=rf"^email/receipt/en/body.html: .*{words.partition('.*')[0]}"
    ) as told:
        rendered(folder(tmp_path, html, **files))
    assert words.rpartition(".*")[2] in f"{told.value.message} {told.value.hint}"


@pytest.mark.anyio
async def test_a_customer_gets_the_logo_and_the_same_bytes_again_after_a_doubt(
    backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(promises, "FIRST_PAUSE", 0.2)
    folder(tmp_path / "templates")
    async with open_house(backend, settings={"data": tmp_path}) as house:
        house.relay.script.on("dot", cut(), recipient=LILEI, times=1)
        await house.mail(LILEI, "My order is late.", subject="Order")
        async with asyncio.timeout(120):
            while len(house.mails_to(LILEI)) < 2:
                await house.settle()
        first, again = house.mails_to(LILEI)
        assert first.data == again.data
        images = [part for part in again.message.walk() if part.get_content_type() == "image/png"]
        assert [image.get_content() for image in images] == [png()]
