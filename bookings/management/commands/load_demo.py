"""Load what `make run` shows: two countries with slots and bookings for the coming weeks, log-ins, an API user.

Example:

    python manage.py load_demo

Safe to repeat: it adds slots and bookings for new days and leaves everything else as it is. With --empty there are no
bookings. Where a ServiceMobility other than the simulated one is connected there are none, either. The passwords are
drawn once and kept in var/demo_passwords.json. With --print it ends with the log-ins and with two commands to paste.
"""

import json
import secrets
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from datetime import timedelta
from io import StringIO
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.core.management.base import BaseCommand

from bookings import clock, offers, wire
from bookings.access import tokens
from bookings.management import arguments, counting, demo
from bookings.models import PostcodePrefix, Receiver, Schedule, ServiceArea, WorkOrder
from bookings.sentences import counted
from bookings.supply.from_plans import schedules

AREAS = [
    ("LEEDS", "Leeds", "Europe/London", "GB", ["LS", "WF"]),
    ("BOSTON", "Boston", "America/New_York", "US", ["021", "022"]),
]
RULES = """\
[[slots]]
from = {today}
weekdays = "mon-sat"
hours = "08:00-12:00,13:00-17:00"
length = 120
"""
# Named technicians, on whose devices the visits are, and a pool.
OF_AREA = {"LEEDS": 'workers = ["ann.smith", "bob.jones"]\ncapacity = 2\n', "BOSTON": "capacity = 4\n"}
SIMULATED = "http://127.0.0.1:"
DAYS = 42
PASSWORDS = settings.VAR_DIR / "demo_passwords.json"


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.add_argument("--empty", action="store_true", help="make no bookings")
        parser.add_argument("--print", action="store_true", help="print the log-ins and two commands to paste")
        parser.add_argument(
            "--port", type=arguments.whole(1, 65_535), default=8000, metavar="N", help="the port that they name (8000)"
        )
        parser.add_argument(
            "--connect", metavar="URL", help="connect the simulator of ServiceMobility there, then make the bookings"
        )
        parser.add_argument("--password-file", metavar="FILE", help="the password of its user bookjob")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["connect"]:
            self.connect(options["connect"], options["password_file"])
            self.fill(options)
            return
        for code, name, zone, country, prefixes in AREAS:
            area, _ = ServiceArea.objects.get_or_create(code=code, defaults={"name": name, "time_zone": zone})
            for prefix in prefixes:
                PostcodePrefix.objects.get_or_create(prefix=prefix, country=country, defaults={"area": area})
            self.follow_schedule(area)
        passwords = self.passwords()
        self.user("dispatcher", passwords, "dispatcher")
        self.user("supervisor", passwords, "supervisor")
        self.user("api", passwords, None)
        api = get_user_model().objects.get(username="api")
        api.user_permissions.add(*Permission.objects.filter(codename__in=["log_in_to_api", "read_workorder_by_api"]))
        self.fill(options)
        if options["print"]:
            self.print(passwords, f"http://127.0.0.1:{options['port']}")

    def follow_schedule(self, area: ServiceArea) -> None:
        """Make slots as its schedule says; one that was changed on the desk stays as it is."""
        schedule = Schedule.objects.filter(area=area).first()
        if schedule is None:
            rules = RULES.format(today=clock.local(clock.now(), area.zone).date()) + OF_AREA[area.code]
            schedule = Schedule(area=area, rules=rules, days_ahead=DAYS)
            schedules.save(schedule, by="load_demo")
        for line in schedules.extend_latest(schedule, by="load_demo").lines():
            self.stdout.write(line)

    def connect(self, url: str, password_file: str) -> None:
        """To the simulator; a ServiceMobility that was connected otherwise stays."""
        receiver = Receiver.objects.filter(kind=Receiver.Kind.SERVICEMOBILITY).first()
        if receiver and not receiver.url.startswith(SIMULATED):
            self.stdout.write(f"ServiceMobility stays connected to {receiver.url}: the simulator is told nothing.")
        elif receiver is None or not receiver.is_on or receiver.url != url:
            call_command(
                "connect_servicemobility",
                url=url,
                username="bookjob",
                password_file=password_file,
                rate=50.0,
                stdout=StringIO(),  # it would ask for a process that delivers, which comes next
            )

    def fill(self, options: dict[str, Any]) -> None:
        if options["empty"] or Receiver.objects.on().exclude(url__startswith=SIMULATED).exists():
            return
        booked, refused = demo.fill()
        if booked or refused:
            self.stdout.write(f"{counted(booked, 'booking')} made, {refused} refused.")
        counting.update(everything=True, say=self.stdout.write)

    def passwords(self) -> dict[str, str]:
        if PASSWORDS.exists():
            return dict(json.loads(PASSWORDS.read_text()))
        passwords = {name: secrets.token_urlsafe(9) for name in ("dispatcher", "supervisor", "api")}
        PASSWORDS.touch(mode=0o600)
        PASSWORDS.write_text(json.dumps(passwords))
        return passwords

    def user(self, name: str, passwords: dict[str, str], role: str | None) -> None:
        user, is_new = get_user_model().objects.get_or_create(
            username=name, defaults={"email": f"{name}@example.org", "is_staff": role is not None}
        )
        if is_new:
            user.set_password(passwords[name])
            user.save(update_fields=["password"])
        if role:
            user.groups.add(Group.objects.get(name=role))

    def print(self, passwords: dict[str, str], url: str) -> None:
        self.stdout.write(f"\nAdmin:     {url}/admin/")
        self.stdout.write(f"To do:     {url}/admin/bookings/workorder/  (what needs attention)")
        for name in ("dispatcher", "supervisor"):
            self.stdout.write(f"Log-in:    {name}  {passwords[name]}")
        self.stdout.write(
            f"API user:  api  {passwords['api']}  (its token below: {settings.BOOKJOB_TOKEN_MINUTES} minutes)"
        )
        now = clock.now()
        area = ServiceArea.objects.get(code="LEEDS")
        # A day ahead, so that the line is still good when it is pasted after lunch.
        free = area.slots.filter(offers.as_filter(offers.takeable(now, area)), start__gt=now + timedelta(days=1))
        period = free.values_list("start", "end").order_by("start", "end").first()
        if not period:
            self.stdout.write("No appointment is free in LEEDS.")
            return
        order = f"WO-{1000 + WorkOrder.objects.count()}"
        job = {
            "Account": {"AccountNum": "C-1"},
            "Location": {"LocationNum": "L-1", "ServiceAreaID": "LEEDS"},
            "RequiredParts": [{"ProdNum": "PUMP-17", "Qty": 1}],
        }
        start, end = map(wire.vendor_time, period)
        headers = f"-H 'Content-Type: application/json' -H 'x-access-token: {tokens.issue_token('api')}'"
        self.stdout.write("\nSearch free appointments:\n")
        self.stdout.write(f"curl -sS {url}/api/v1/appointments/search {headers} -d '{json.dumps(job)}'")
        job["TimeConstraints"] = [{"Period": {"Start": start, "End": end}}]
        self.stdout.write(f"\nBook a follow-up of work order {order}; sent again, it answers the same number:\n")
        self.stdout.write(f"curl -sS {url}/api/v1/workorders/{order}/followup {headers} -d '{json.dumps(job)}'\n")
