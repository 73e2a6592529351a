"""closeloop's working parts: what *happens* (`models`: what is true; `templates`: what people read)."""

__version__ = "0.1.0"
