"""Facts in, words out: mails (subject, text, HTML), SMS, posts, pages from Jinja2 templates, in en and zh_CN.

An operator's folder may shadow any single file below `templates/`; all templates run in Jinja's sandbox.
"""

from workers.rendering.environment import LOCALES
from workers.rendering.images import InlineImage, for_browser
from workers.rendering.renderer import RenderedMail, Renderer, fall_back, preview

__all__ = ["LOCALES", "InlineImage", "RenderedMail", "Renderer", "fall_back", "for_browser", "preview"]
