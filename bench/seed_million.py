"""How long a million slots take on PostgreSQL, and how much memory: `python -m bench.seed_million`.

Starts a PostgreSQL of its own that syncs its commits to the disk, migrates it, fills 100 areas with 2,000 workers and
125 working days of four slots each, then runs the same template once more. Exits with 1 above 60 s or 300 MB.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.support import postgres

ROOT = Path(__file__).resolve().parent.parent
AREAS, WORKERS, DAYS, SLOTS = 100, 20, 125, 4
MOST_SECONDS, MOST_MEGABYTES = 60, 300


def template() -> str:
    return "\n".join(
        f"""
        [[slots]]
        area = "AREA-{area}"
        name = "Area {area}"
        time_zone = "{("Europe/London", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe")[area % 4]}"
        workers = {[f"worker-{area}-{number}" for number in range(WORKERS)]}
        from = 2027-01-04
        until = 2027-06-25
        hours = {{ mon-fri = "08:00-12:00,13:00-17:00" }}
        length = 120
        """
        for area in range(AREAS)
    )


def seed(file: Path, url: str) -> tuple[float, float, float, list[str]]:
    """Seconds, seconds of processor time and peak megabytes of the command, and what it printed."""
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "manage.py", "seed_slots", "--template", file],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": url, "SECRET_KEY": "only-for-measuring"},
        stdout=subprocess.PIPE,
        text=True,
    )
    printed = process.stdout.read().splitlines()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"seed_slots ended with {process.returncode}.")
    return time.monotonic() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, printed


def main() -> int:
    worst = 0
    with postgres.server(durable=True) as (url, title), tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "slots.toml"
        file.write_text(template())
        environment = os.environ | {"DATABASE_URL": url, "SECRET_KEY": "only-for-measuring"}
        migrate = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        subprocess.run(migrate, cwd=ROOT, env=environment, check=True)
        print(f"{AREAS * WORKERS * DAYS * SLOTS:,} slots on {title}")
        for run, outcome in (("first run", "created"), ("second run", "kept")):
            seconds, busy, megabytes, printed = seed(file, url)
            share = f"{DAYS * SLOTS * WORKERS} {'slots ' if outcome == 'created' else ''}{outcome}"
            wrong = [line for line in printed if share not in line]
            if len(printed) != AREAS or wrong:
                raise SystemExit(f"The {run} did something else: {wrong[:3]}")
            print(f"{run}: {seconds:.1f} s ({busy:.1f} s of them busy), {megabytes:.0f} MB at the most, all {outcome}")
            worst |= seconds > MOST_SECONDS or megabytes > MOST_MEGABYTES
    return worst


if __name__ == "__main__":
    sys.exit(main())
