"""Make or change the receiver ServiceMobility: it hears of each booking, move and cancellation from then on.

Example; the password is alone in its file, and read from there each time that it is needed:

    python manage.py connect_servicemobility --url https://fsm.example.com --username bookjob \\
        --password-file /etc/bookjob/servicemobility.password --rate 5

Called alone it shows the state. Earlier bookings are sent by `verify_delivery --repair`, once its list was seen.

    python manage.py connect_servicemobility --pause "ServiceMobility is upgraded until noon"
    python manage.py connect_servicemobility --resume
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from bookings.delivery import receivers, secrets
from bookings.models import Receiver

BY = "connect_servicemobility"


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.add_argument("--url", metavar="URL", help="base address, to which /createjwt and /seiapi/… are added")
        parser.add_argument("--username", metavar="NAME")
        parser.add_argument("--password-file", metavar="FILE")
        parser.add_argument("--template", metavar="FILE", help="a JSON object that each work order is merged over")
        parser.add_argument("--rate", type=float, metavar="CALLS_PER_SECOND", help="at the most (5)")
        parser.add_argument("--move", choices=Receiver.Move.values, help="how a move is sent (dispatch)")
        parser.add_argument("--worker", choices=Receiver.Worker.values, help="who is sent as the worker (slot)")
        parser.add_argument("--pause", metavar="REASON", help="send nothing until --resume")
        parser.add_argument("--resume", action="store_true")
        parser.add_argument("--off", action="store_true", help="send nothing more; connect it again with --url")

    def handle(self, *args: Any, **options: Any) -> None:
        receiver = Receiver.objects.filter(kind=Receiver.Kind.SERVICEMOBILITY).first()
        try:
            columns = read_columns(options)
            steps = [name for name in ("pause", "resume", "off") if options[name] not in (None, False)]
            if len(steps) + bool(columns) > 1:
                raise CommandError("Give one of --pause, --resume, --off, or what is to be changed.")
            if columns:
                receiver = self._connect(receiver, columns)
            elif steps and (receiver is None or not receiver.is_on):
                raise CommandError("ServiceMobility is not connected. Give --url, --username and --password-file.")
            elif steps and receiver:
                self._do(receiver, steps[0], options)
        except receivers.Unfit as fault:
            raise CommandError(str(fault)) from None
        for line in receivers.state_lines(receiver):
            self.stdout.write(line)

    def _connect(self, receiver: Receiver | None, columns: dict[str, Any]) -> Receiver:
        if receiver and receiver.is_on:
            receivers.change(receiver, by=BY, **columns)
        else:
            if missing := {"url", "username", "secret_files"} - columns.keys():
                names = {"url": "--url", "username": "--username", "secret_files": "--password-file"}
                raise CommandError(
                    f"To connect ServiceMobility give {', '.join(sorted(names[name] for name in missing))}."
                )
            receiver = receivers.connect(receivers.NAME, Receiver.Kind.SERVICEMOBILITY, by=BY, **columns)
        receiver.refresh_from_db()
        return receiver

    def _do(self, receiver: Receiver, step: str, options: dict[str, Any]) -> None:
        if step == "pause":
            receivers.pause(receiver, reason=options["pause"], by=BY)
        elif step == "resume":
            receivers.resume(receiver, by=BY)
        else:
            receivers.turn_off(receiver, by=BY)
        receiver.refresh_from_db()


def read_columns(options: dict[str, Any]) -> dict[str, Any]:
    """What is given, checked. Raises Unfit."""
    columns: dict[str, Any] = {name: options[name] for name in ("move", "worker") if options[name]}
    if options["url"] is not None:
        columns["url"] = receivers.check_base(options["url"])
    if options["username"] is not None:
        columns["username"] = receivers.check_text("--username", options["username"])
    if options["password_file"] is not None:
        path = str(Path(options["password_file"]).absolute())
        secrets.read_file(path)
        columns["secret_files"] = [path]
    if options["template"] is not None:
        columns["template"] = receivers.read_template(options["template"])
    if options["rate"] is not None:
        columns["rate"] = receivers.check_rate(options["rate"])
    return columns
