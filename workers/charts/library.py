"""The library behind the charts, imported with the first drawing."""

from __future__ import annotations

import sys
from functools import cache
from typing import Any


@cache
def pygal() -> Any:
    """pygal, without the importer for plug-ins with maps that it puts into the process.

    That one has the old interface (`find_module`), of which Python 3.11 warns with each import that finds
    nothing.
    """
    import pygal as library
    import pygal.style  # its styles are an attribute then

    fixer = library.PluginImportFixer
    sys.meta_path[:] = [each for each in sys.meta_path if not isinstance(each, fixer)]
    return library
