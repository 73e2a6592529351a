"""The command line: `closeloop …`. Each command imports what it needs when it runs: --help is quick."""

from workers.cli.app import main

__all__ = ["main"]
