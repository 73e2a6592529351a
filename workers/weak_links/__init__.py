"""Weak links: where the time of requests goes besides work, by category, and what keeps coming back."""

from workers.weak_links.finding import CategoryLinks, Link, WeakLinks, weak_links
from workers.weak_links.repeated import draft_for, repeated_problems
from workers.weak_links.spending import PHASES, Phase, spent

__all__ = [
    "PHASES",
    "CategoryLinks",
    "Link",
    "Phase",
    "WeakLinks",
    "draft_for",
    "repeated_problems",
    "spent",
    "weak_links",
]
