"""The README's console blocks are run, and their output compared, so that they cannot rot."""

import os
import re
import subprocess

from tests.support import warm
from tests.support.environment import ROOT


def commands_and_outputs(text: str) -> list[tuple[str, str]]:
    """(command, output) of each `$ ` line in the console blocks; a here-document belongs to its command."""
    pairs: list[list[str]] = []
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        document_until = None
        for line in block.splitlines():
            if document_until:
                pairs[-1][0] += f"\n{line}"
                document_until = None if line == document_until else document_until
            elif line.startswith("$ "):
                pairs.append([line[2:], ""])
                here = re.search(r"<<(\w+)$", line)
                document_until = here and here[1]
            else:
                pairs[-1][1] += f"{line}\n"
    return [(command, output) for command, output in pairs]


def without_numbers(text: str) -> str:
    """Dates and numbers differ from run to run; everything else must be as it is printed."""
    text = re.sub(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun) \d+ [A-Z][a-z][a-z] \d{4}", "<day>", text)
    return re.sub(r"(FU|PO)-\d+", r"\1-<number>", text)


def test_the_console_blocks(service, tmp_path):
    assert service.manage("load_demo", "--empty").returncode == 0
    pairs = commands_and_outputs((ROOT / "README.md").read_text())
    assert len(pairs) > 6
    with warm.for_a_shell() as python:
        script = "set -e\n"
        for command, _ in pairs:
            command = command.replace(".venv/bin/python", python).replace("${PORT:-8000}", str(service.port))
            script += f"{command.replace('/tmp/booking', f'{tmp_path}/booking')}\necho '<end>'\n"
        ran = subprocess.run(
            ["bash", "-c", script],
            cwd=ROOT,
            env=os.environ | {"DATABASE_URL": service.database.url},
            capture_output=True,
            text=True,
            timeout=120,
        )
    outputs = ran.stdout.split("<end>\n")[:-1]
    assert ran.returncode == 0, ran.stderr
    assert [without_numbers(output) for output in outputs] == [without_numbers(output) for _, output in pairs]


def test_it_is_read_in_a_few_minutes():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120
