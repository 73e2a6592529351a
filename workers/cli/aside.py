"""Work that is done once, in a process that ends with it and takes along what it had to load."""

from __future__ import annotations

import os
from collections.abc import Callable


def aside(work: Callable[[], None]) -> None:
    """Do `work` in a copy of this process; here after all where that fails, so that its error is told.

    Only what it leaves outside of the process counts, and doing it twice must do no harm. To be called before
    threads are started, since a copy would lack them.
    """
    if not hasattr(os, "fork") or not _done_by_a_copy(work):
        work()


def _done_by_a_copy(work: Callable[[], None]) -> bool:
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    failed = 1
    try:
        work()
        failed = 0
    finally:
        os._exit(failed)  # nothing of the parent's is ended or written by its copy
    raise AssertionError
