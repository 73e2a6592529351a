"""The ways out: SMTP, SMS, console. Each is a `Channel` (see `port.py`) and knows no database."""
