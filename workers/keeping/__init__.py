"""What keeps an installation for years: backups, restoring them, moving to another database."""

from workers.keeping.backup import Made, Verified, make_backup, verify
from workers.keeping.belongings import read_secrets
from workers.keeping.envelope import new_pair, opened
from workers.keeping.erased import read_erased, remember_erased
from workers.keeping.folder import backups_in, rotate
from workers.keeping.moving import Moved, abandon, count_rows, move
from workers.keeping.noting import note_backup
from workers.keeping.presence import present
from workers.keeping.reapplying import erase_again
from workers.keeping.restore import Restored, restore
from workers.keeping.schedule import Backups, backup_folder

__all__ = [
    "Backups",
    "Made",
    "Moved",
    "Restored",
    "Verified",
    "abandon",
    "backup_folder",
    "backups_in",
    "count_rows",
    "erase_again",
    "make_backup",
    "move",
    "new_pair",
    "note_backup",
    "opened",
    "present",
    "read_erased",
    "read_secrets",
    "remember_erased",
    "restore",
    "rotate",
    "verify",
]
