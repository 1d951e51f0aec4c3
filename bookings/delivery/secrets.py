"""Secrets are in files, and read when they are used: so they are changed without a restart, and never shown."""

import base64
from pathlib import Path

from standardwebhooks.webhooks import Webhook

from bookings.delivery.outcomes import ReceiverFault
from bookings.delivery.receivers import Unfit

MOST_BYTES = 4096
FEWEST, MOST = 24, 64  # bytes of a webhook's secret, by the specification


def read_file(path: str) -> str:
    """Without a line break at its end, or a mark of the encoding at its beginning. Raises Unfit."""
    try:
        if Path(path).exists() and not Path(path).is_file():
            raise Unfit(f"{path} is no file: it must be there each time that the secret is needed.")
        with Path(path).open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        # Editors of Windows put a mark before the text.
        text = content.decode("utf-8-sig").removesuffix("\n").removesuffix("\r")
    except OSError as fault:
        raise Unfit(f"{path} cannot be read: {fault.strerror}.") from None
    except UnicodeDecodeError:
        raise Unfit(f"{path} holds no UTF-8 text.") from None
    if not text.strip():
        raise Unfit(f"{path} is empty.")
    if len(content) > MOST_BYTES or "\n" in text or "\0" in text:
        raise Unfit(f"{path} holds more than one line. It must hold the secret alone.")
    return text


def webhook(path: str) -> Webhook:
    """Raises Unfit."""
    text = read_file(path)
    try:
        encoded = text.removeprefix("whsec_").rstrip("=")
        size = len(base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True))
    except ValueError:
        raise Unfit(f"{path} holds no secret such as whsec_…: the rest must be base64.") from None
    if not FEWEST <= size <= MOST:
        raise Unfit(f"The secret in {path} has {size} bytes. It needs {FEWEST} to {MOST}.")
    return Webhook(text)


def read(path: str) -> str:
    """When it is used. Raises ReceiverFault."""
    try:
        return read_file(path)
    except Unfit as fault:
        raise _unreadable("password", path, fault) from None


def webhooks(paths: list[str]) -> list[Webhook]:
    found = []
    for path in paths:
        try:
            found.append(webhook(path))
        except Unfit as fault:
            raise _unreadable("secret", path, fault) from None
    return found


def _unreadable(what: str, path: str, fault: Unfit) -> ReceiverFault:
    """With the name of the file alone: all who see the receiver's page read it."""
    said = str(fault).replace(path, Path(path).name)
    return ReceiverFault(f"The file of the {what}: {said} Put it there, on each machine that delivers.")
