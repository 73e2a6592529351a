"""What pygal drew, as a plain SVG element: shapes and words alone.

Only the elements and attributes named here get through, so that a chart brings neither style nor script,
address or id into a page, whatever its names say; the serialiser escapes the names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.etree.ElementTree import Element, SubElement, tostring

SVG = "http://www.w3.org/2000/svg"
_ATTRIBUTES: Mapping[str, frozenset[str]] = {
    "g": frozenset({"class", "transform"}),
    "rect": frozenset({"class", "x", "y", "width", "height", "rx", "ry"}),
    "path": frozenset({"class", "d"}),
    "circle": frozenset({"class", "cx", "cy", "r"}),
    "text": frozenset({"class", "x", "y", "text-anchor", "transform"}),
}
_LONG_NUMBER = re.compile(r"-?\d+\.\d+")
_IDENT = re.compile(r"[^A-Za-z0-9-]")
_SPECIAL = ("tooltip", "background")


def as_element(tree: Element, *, title: str, summary: str, ident: str) -> str:
    """The element as text, with its name and description for those who listen."""
    root = plain(tree)
    name = _IDENT.sub("-", ident)[:60] or "chart"
    root.set("role", "img")
    root.set("aria-labelledby", f"{name}-title {name}-desc" if summary else f"{name}-title")
    said = [("title", title), *([("desc", summary)] if summary else [])]
    for place, (tag, words) in enumerate(said):
        each = Element(tag, {"id": f"{name}-{tag}"})
        each.text = words
        root.insert(place, each)
    return tostring(root, encoding="unicode")


def plain(tree: Element) -> Element:
    """A copy with shapes and words only."""
    root = Element("svg", {"xmlns": SVG, "class": "chart", "viewBox": tree.get("viewBox", "0 0 1 1")})
    _copy(tree, root)
    return root


def _copy(given: Element, into: Element) -> None:
    for child in given:
        tag = str(child.tag).rpartition("}")[2]
        classes = child.get("class", "").split()
        if tag not in _ATTRIBUTES or any(each in _SPECIAL for each in classes):
            continue
        kept = {
            key: _short(value) for key, value in child.attrib.items() if key in _ATTRIBUTES[tag] and value
        }
        made = SubElement(into, tag, kept)
        if tag == "text":
            made.text = child.text
        _copy(child, made)
        if (tag == "g" and not len(made)) or (tag == "text" and not made.text):
            into.remove(made)


def _short(value: str) -> str:
    return _LONG_NUMBER.sub(lambda found: f"{float(found[0]):.1f}".removesuffix(".0"), value)
