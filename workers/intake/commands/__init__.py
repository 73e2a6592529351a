"""Commands in an agent's mail: `#accept 4h`, `#转接 张三 原因` and so on, read and carried out."""

from workers.intake.commands.doing import Done, carry_out
from workers.intake.commands.reading import Command, Instructions, read_commands

__all__ = ["Command", "Done", "Instructions", "carry_out", "read_commands"]
