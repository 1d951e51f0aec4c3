"""What `make run` serves: gunicorn, with a simulated ServiceMobility and `deliver` beside it, which end with it.

    python -m bookjob_site.demo

Each runs in a process group of its own, so that it is told to end once, by this process, whatever ends first. Where
this one is killed the kernel tells them (Linux).
"""

import ctypes
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from bookjob_site import environment

ROOT = Path(__file__).resolve().parent.parent
PR_SET_PDEATHSIG = 1  # prctl(2)
END_SECONDS = 40  # longer than gunicorn gives requests that are under way

Process = subprocess.Popen[str]


class Ended(Exception):
    """A signal asks for the end."""


def main(var: Path = environment.VAR_DIR) -> int:
    """Serve until a signal comes or gunicorn ends; its exit status."""
    environment.stop_if_refused()
    _on_signals(_end)
    running: list[Process] = []
    try:
        return _serve(running, var)
    except Ended:
        return 0
    finally:
        _end_all(running)


def _serve(running: list[Process], var: Path) -> int:
    url = _start_simulator(running, var, environment.value("PORT"))
    _say(f"\nServiceMobility, simulated: {url}/  (what the technicians' devices show)\n")
    _manage("load_demo", "--connect", url, "--password-file", str(_password(var)))
    running.append(_start("manage.py", "deliver"))
    server = _start("-m", "bookjob_site.serve")
    running.append(server)
    _wait_for(server, running)
    return server.returncode


def _start_simulator(running: list[Process], var: Path, port: int) -> str:
    """On the port after the service's, or on a free one where that is taken. Its address."""
    for chosen in (port % 65_535 + 1, 0):
        simulator = _start(
            "-m",
            "conformance.simulator",
            f"--port={chosen}",
            f"--password-file={_password(var)}",
            f"--state={var / 'servicemobility.sqlite3'}",
            "--unknown=C-9",
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if chosen else None,
        )
        running.append(simulator)
        if simulator.stdout and (line := simulator.stdout.readline()):
            return line.rpartition(" ")[2].strip().rstrip("/")
    raise SystemExit("make: the simulator of ServiceMobility did not start; it says why above.")


def _password(var: Path) -> Path:
    file = var / "servicemobility.password"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(12))
    return file


def _start(*arguments: str, stdout: int | None = None, stderr: int | None = None) -> Process:
    return subprocess.Popen(  # noqa: S603
        [sys.executable, *arguments],
        cwd=ROOT,
        stdout=stdout,
        stderr=stderr,
        text=True,
        process_group=0,
        preexec_fn=_end_with(os.getpid()),
    )


def _manage(*arguments: str) -> None:
    subprocess.run([sys.executable, "manage.py", *arguments], cwd=ROOT, check=True)  # noqa: S603


def _wait_for(server: Process, running: list[Process]) -> None:
    """Until the server ends. Another one that ends before it is told of; the rest goes on."""
    while server.poll() is None:
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        for process in running:
            if ended and process.pid == ended.si_pid and process.wait() and process is not server:
                _say(f"{' '.join(map(str, process.args[1:3]))} has ended ({process.returncode}).")  # type: ignore[index]


def _end_all(running: list[Process]) -> None:
    _on_signals(signal.SIG_IGN)  # gunicorn may have ended by itself
    for process in running:
        if process.poll() is None:
            process.terminate()
    for process in running:
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()


def _on_signals(handler: Callable[[int, object], None] | signal.Handlers) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, handler)


def _end(number: int, frame: object) -> None:
    """Once: `make` hands on what its group was told too, and the second signal must not cut the ending short."""
    _on_signals(signal.SIG_IGN)
    raise Ended


def _end_with(parent: int) -> Callable[[], None] | None:
    """What the child does first: ask the kernel for a signal when this process ends, however it ends."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def ask() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)  # it ended before it was asked

    return ask


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201  for the person at the terminal


if __name__ == "__main__":
    raise SystemExit(main())
