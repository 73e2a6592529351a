"""The console of the staff: sign-in, sessions, and pages behind them."""

from workers.web.console.door import SignInNeeded, sign_in_url
from workers.web.console.router import ROOMS

__all__ = ["ROOMS", "SignInNeeded", "sign_in_url"]
