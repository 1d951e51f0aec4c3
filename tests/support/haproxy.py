"""The proxy of deploy/cluster/haproxy.cfg, with the ports of a test in its places."""

import re
import shutil
import subprocess
from pathlib import Path

from tests.support.environment import ROOT

SHIPPED = ROOT / "deploy" / "cluster" / "haproxy.cfg"


def find() -> str | None:
    return shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")


def start(file: Path) -> subprocess.Popen:
    return subprocess.Popen([find(), "-f", file], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def start_before(machines: list[int], port: int, file: Path) -> subprocess.Popen:
    """As shipped, but without TLS: before machines at these two ports. What it reads is written into `file`."""
    text = re.sub(r"    bind :443 .*\n    http-request redirect .*\n", "", SHIPPED.read_text())
    first, second = machines
    for ours, here in {
        "bind :80\n": f"bind 127.0.0.1:{port}\n",
        "bookjob.example.org": "localhost",
        "10.0.0.31:8000": f"127.0.0.1:{first}",
        "10.0.0.32:8000": f"127.0.0.1:{second}",
    }.items():
        assert ours in text, ours
        text = text.replace(ours, here)
    file.write_text(text)
    return start(file)
