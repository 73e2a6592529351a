"""The exception tree. Whether trying again can help is a property of the class, not of the caller's mood."""


class CloseloopError(Exception):
    """Root of all errors raised on purpose.

    `message` says what is wrong, `hint` what the reader can do about it; both are safe to log and to show
    (they never carry a customer's data). `retryable` says whether the same call may succeed later.
    """

    retryable = False

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class InvalidInput(CloseloopError):
    """What was given breaks a rule of its format or of the ticket's life; the same input never succeeds."""


class NotFound(CloseloopError):
    """There is no such thing, or the caller may not know of it."""


class Conflict(CloseloopError):
    """The thing is no longer in the state the caller expected; re-read it, then decide again."""


class Forbidden(CloseloopError):
    """The caller is known and may not do this."""


class BadSignature(CloseloopError):
    """A webhook, token or header does not prove where it comes from."""


class TooLarge(CloseloopError):
    """More bytes, parts or depth than the service takes in."""


class TooManyAttempts(CloseloopError):
    """The caller tries too often what could be guessed; later it may try again."""

    retryable = True


class UnreadableMail(CloseloopError):
    """A mail that exceeds the caps of reading; its raw bytes are kept. `message` is the reason."""


class SettingsError(CloseloopError):
    """One or more CLOSELOOP_* settings are wrong; `message` lists all of them."""


class PolicyError(CloseloopError):
    """The SLA policy file is wrong; `message` names file and line."""


class TemplateError(CloseloopError):
    """A template cannot be rendered with the facts it was given."""


class Unavailable(CloseloopError):
    """Something outside (database, broker, relay) does not answer now; trying later may help."""

    retryable = True
