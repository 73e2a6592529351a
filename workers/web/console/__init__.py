"""The console of the staff: sign-in, sessions, and pages behind them."""

from workers.web.console.door import SignInNeeded, sign_in_url
from workers.web.console.router import router

__all__ = ["SignInNeeded", "router", "sign_in_url"]
