"""manage.py, with further migrations beside ours, and with django-migration-linter's command.

    python -m tests.support.manage_more FOLDER COMMAND …

FOLDER is a package with the migrations, or empty. A process of warm.py is enough for it: no code is copied, and the
linter is no app of those who run the service.
"""

import sys
from pathlib import Path

from django.conf import settings
from django.core.management import get_commands

from bookjob_site import commands

# The `__init__.py` of such a package. (Django loads it again, which forgets what was added from outside.)
BESIDE_OURS = "from bookings import migrations\n\n__path__ += migrations.__path__\n"


def main(folder: str, *arguments: str) -> None:
    if folder:
        sys.path.insert(0, str(Path(folder).parent))
        settings.MIGRATION_MODULES = {"bookings": Path(folder).name}
    get_commands()["lintmigrations"] = "django_migration_linter"
    commands.run(["manage.py", *arguments])


if __name__ == "__main__":
    main(*sys.argv[1:])
