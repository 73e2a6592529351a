"""The mail's stylesheet written into `style` attributes when a template is loaded, not when a mail is made.

Mail clients drop stylesheets, so css-inline puts the rules on the elements. Run on each finished mail it
costs more than rendering itself. All rules of `email/_base/mail.css` are class rules, so which declarations
an element gets depends on its class attribute alone, and that stands literally in the template: the work can
be done once per template. A test holds the result against css-inline run on the finished mail.
"""

import re

from css_inline import CSSInliner

_CLASS = re.compile(r'\bclass="([a-z0-9 -]+)"')
_STYLE = re.compile(r' style="([^"]*)"')


class Styles:
    """Writes the declarations of a stylesheet of class rules behind each literal `class="…"`."""

    def __init__(self, css: str) -> None:
        self._css = css
        # Never fetch: the library loads remote stylesheets unless told not to.
        self._inliner = CSSInliner(load_remote_stylesheets=False)
        self._known: dict[str, str] = {}

    def apply(self, source: str) -> str:
        """Template source in, the same with `style` attributes out; Jinja's own syntax is not touched."""
        return _CLASS.sub(lambda match: f'class="{match[1]}"{self._style(match[1])}', source)

    def _style(self, names: str) -> str:
        if names not in self._known:
            # Double quotes inside a value would end the attribute; css-inline writes single ones.
            element = self._inliner.inline_fragment(f'<div class="{names}"></div>', self._css)
            found = _STYLE.search(element)
            self._known[names] = f' style="{found[1]}"' if found else ""
        return self._known[names]


def inline_document(html: str) -> str:
    """A finished mail with the rules of its own `<style>` elements inlined, for operators' files."""
    inliner = CSSInliner(load_remote_stylesheets=False, keep_style_tags=True, keep_at_rules=True)
    return inliner.inline(html)
