"""Filling in a page's form as a browser does: what is hidden or chosen already goes along."""

from __future__ import annotations

from collections.abc import Mapping

from selectolax.lexbor import LexborHTMLParser as HTMLParser
from selectolax.lexbor import LexborNode as Node


def filled_form(html: str, values: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """(action, fields) of the first form of a page, with `values` filled in.

    Raises LookupError when there is no form, or it has no field of a name in `values`.
    """
    form = HTMLParser(html).css_first("form")
    if form is None:
        raise LookupError("the page has no form")
    fields: dict[str, str] = {}
    names: set[str] = set()
    for node in form.css("input, textarea, button"):
        name = node.attributes.get("name")
        if not name:
            continue
        names.add(name)
        value = _value(node)
        if value is not None:
            fields[name] = value
    unknown = sorted(set(values) - names)
    if unknown:
        raise LookupError(f"the form has no field {', '.join(unknown)}")
    return form.attributes.get("action") or "", {**fields, **values}


def _value(node: Node) -> str | None:
    """What a browser would send for this field as it stands; None for what is not chosen."""
    if node.tag == "textarea":
        return node.text()
    if node.tag == "button":
        return None
    kind = (node.attributes.get("type") or "text").lower()
    if kind in ("radio", "checkbox") and "checked" not in node.attributes:
        return None
    return node.attributes.get("value") or ""
