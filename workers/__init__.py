"""closeloop's working parts: what *happens* (see `models` for what is true, `templates` for what people read)."""

__version__ = "0.1.0"
