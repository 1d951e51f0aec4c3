"""An action of the desk: a page that says what will happen, then the same service for one row or many.

What was on the page travels with the form as `chosen`: each row's key and the version that was seen. The services
compare it: whatever was changed meanwhile, also by a second click, changes nothing and is reported. Which actions
there are is in orders/work_order_actions.py, supply/slot_actions.py, supply/blackouts.py and systems/delivery.py.
"""

import logging
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from django import db
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.http import url_has_allowed_host_and_scheme

from bookings import clock
from bookings.access import kept
from bookings.admin import addresses
from bookings.admin.cells import blackout_link, message
from bookings.admin.forms import ActionForm
from bookings.db.faults import raise_unless_away
from bookings.models import WorkOrder
from bookings.refusals import Code, Refused

if TYPE_CHECKING:
    from bookings.admin.desk import DeskAdmin

T = TypeVar("T")
logger = logging.getLogger("bookings")

# Each row is a transaction of its own, all of them one request: this many are done before a server gives up on it.
MAX_ROWS = 1_000
SHOWN_ROWS = 50
REPORTED_REFUSALS = 10
# A click of the same person that comes later is a wish of its own.
SECOND_CLICK = timedelta(minutes=1)


class Action:
    """One thing that staff do with one row or many. A further action is a subclass in the list of its subject.

    `consequence` says what will happen to one row. `run` does it, by a service, and raises Refused where it comes
    to nothing, also where the row is not in the version `seen` any more; the other methods add to what the page says
    before and after.
    """

    name: ClassVar[str]
    icon: ClassVar[str]
    title: ClassVar[str]
    done: ClassVar[str]
    consequence: ClassVar[str] = ""
    permission: ClassVar[str]
    typed: ClassVar[str] = "form"  # what its fields are called where they come back after a log-in
    key: ClassVar[str] = ""  # that presses its button; see desk.js
    # The line of the history that it writes, and how a second click is answered.
    event: ClassVar[str] = ""
    first_click: ClassVar[str] = ""
    bulk_permission: ClassVar[str] = ""  # for many at once, where it is another
    form: ClassVar[type[ActionForm]] = ActionForm
    is_dangerous: ClassVar[bool] = False
    # What is filled in, and the refusals after which the same page may offer something else.
    fields_template: ClassVar[str] = "admin/bookings/fields.html"
    asks_again_after: ClassVar[Collection[Code]] = ()

    def run(self, row: Any, form: Any, by: str, seen: int) -> None:
        raise NotImplementedError

    def unfit(self, row: Any) -> str:
        """Why it would come to nothing for this row, or empty."""
        return ""

    def consequence_for(self, rows: Sequence[Any]) -> str:
        return self.consequence

    def is_done(self, row: Any, form: Any, by: str) -> bool:
        """Whether the same person did this very thing a moment ago: a double click, or a phone that sends twice."""
        last = row.history.last() if self.event else None
        if last is None or last.at < clock.now() - SECOND_CLICK:
            return False
        return bool((last.event, last.by, last.reason) == (self.event, by, form.words()))

    def done_text(self, form: Any, done: Sequence[Any]) -> str:
        return f"{len(done):,} {self.done}."

    def told(self) -> str:
        """Who hears of it, where the customer has to; behind the consequence."""
        return ""

    def affected(self, rows: Sequence[Any]) -> QuerySet[WorkOrder]:
        """The bookings that it has consequences for, other than the rows themselves."""
        return WorkOrder.objects.none()

    def report(self, request: HttpRequest, form: Any, done: Sequence[Any]) -> None:
        """Further messages about the rows that it was done to, of which there is one at least."""

    def is_allowed(self, request: HttpRequest, *, many: bool) -> bool:
        return request.user.has_perm(self.bulk_permission if many and self.bulk_permission else self.permission)


class Revocation(Action):
    """Of what lets another program in. `access` is the module that revokes it, and whose Unfit says why it cannot."""

    name, title, done = "revoke", "Revoke", "revoked"
    is_dangerous = True
    access: ClassVar[Any]

    def unfit(self, row: Any) -> str:
        return f"was revoked before, by {row.revoked_by}" if row.revoked_at else ""

    def run(self, row: Any, form: ActionForm, by: str, seen: int) -> None:
        try:
            self.access.revoke(row, by=by)
        except self.access.Unfit as fault:
            raise Refused("changed_meanwhile", str(fault)) from None


def allowed(request: HttpRequest, actions: Sequence[Action], *, many: bool) -> list[Action]:
    return [action for action in actions if action.is_allowed(request, many=many)]


def chosen_text(admin: "DeskAdmin", rows: Sequence[Any]) -> str:
    return " ".join(f"{row.pk}:{admin.version_of(row)}" for row in rows)


def ask_about(admin: "DeskAdmin", request: HttpRequest, action: Action, rows: QuerySet[Any]) -> HttpResponse:
    """From the list: the page that asks, for the rows that were ticked there."""
    found = list(rows[: MAX_ROWS + 1])
    if len(found) > MAX_ROWS:
        messages.error(request, f"Choose {MAX_ROWS:,} at most. Narrow the list with its filters and try again.")
        return HttpResponseRedirect(request.get_full_path())
    return _ask(admin, request, action, found, action.form(found, request), request.get_full_path())


def act(admin: "DeskAdmin", request: HttpRequest, action: Action) -> HttpResponse:
    """GET asks about what the address names as `chosen`; POST does it, one transaction a row, and reports."""
    kept.show_again(request, action.typed)
    given = request.POST if request.method == "POST" else request.GET
    versions = _read_chosen(given.get("chosen", ""))
    if not action.is_allowed(request, many=len(versions) > 1) or len(versions) > MAX_ROWS:
        raise PermissionDenied
    found = admin.get_queryset(request).select_related(*admin.list_select_related).in_bulk(list(versions))
    rows = [found[key] for key in versions if key in found]
    back = _way_back(admin, request, given.get("back", ""), rows)
    if not rows:
        messages.error(request, "Nothing was chosen that you may see. Choose again.")
        return HttpResponseRedirect(back)
    form = action.form(rows, request, given if request.method == "POST" else None)
    if request.method == "POST" and request.POST.get("do") != "perform":
        form.errors.clear()  # drawn again, to look at other choices: nothing was sent yet
    elif form.is_valid():
        return _perform(admin, request, action, rows, versions, form, back)
    _warn_of_changes(admin, request, rows, versions)
    return _ask(admin, request, action, rows, form, back)


def _perform(
    admin: "DeskAdmin",
    request: HttpRequest,
    action: Action,
    rows: Sequence[Any],
    versions: dict[int, int],
    form: ActionForm,
    back: str,
) -> HttpResponse:
    by = request.user.get_username()
    done, repeated, refused = [], [], []

    def run(row: Any) -> None:
        try:
            action.run(row, form, by, versions[row.pk])
            done.append(row)
        except Refused as refusal:
            if action.is_done(row, form, by):
                repeated.append(row)
            else:
                refused.append(refusal)

    do_each(request, rows, run)
    if done:
        messages.success(request, action.done_text(form, done))
    if repeated:
        messages.info(request, _second_click_text(action, repeated))
    if refused:
        told = some_of([_told(refusal) for refusal in refused])
        messages.warning(request, format_html("{} skipped. {}", f"{len(refused):,}", told))
    if done:
        action.report(request, form, done)
    if len(rows) == 1 and refused and refused[0].error in action.asks_again_after:
        again = {"chosen": chosen_text(admin, rows), "back": back}
        return HttpResponseRedirect(addresses.with_query(request.path, again))
    return HttpResponseRedirect(back)


def do_each(request: HttpRequest, rows: Sequence[T], do: Callable[[T], None]) -> None:
    """One after the other, until the database gives no answer in time: what was done by then has to be reported.

    Where that is the first one, nothing was done: the fault is raised, and its page says so.
    """
    for number, row in enumerate(rows):
        try:
            do(row)
        except db.Error as fault:
            raise_unless_away(fault)
            if not number:
                raise
            logger.warning("The database gave no answer in the middle of a mass action", exc_info=True)
            text = "{} not tried: the database gave no answer in time. Try these again in a moment."
            messages.error(request, format_html(text, f"{len(rows) - number:,}"))
            return


def _read_chosen(text: str) -> dict[int, int]:
    """`12:3 13:1` -> {12: 3, 13: 1}; what is no such pair is nothing."""
    pairs = [pair.partition(":") for pair in text.split()]
    return {
        int(key): int(version)
        for key, _, version in pairs
        if addresses.is_key(key) and addresses.is_key(version) and len(version) < 10
    }


def _way_back(admin: "DeskAdmin", request: HttpRequest, back: str, rows: Sequence[Any]) -> str:
    """Where the action was chosen; the page of the row, or the list, where the address given is none of ours."""
    if url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()}):
        return back
    name = f"admin:bookings_{admin.opts.model_name}"
    return reverse(f"{name}_change", args=[rows[0].pk]) if len(rows) == 1 else reverse(f"{name}_changelist")


def _warn_of_changes(admin: "DeskAdmin", request: HttpRequest, rows: Sequence[Any], versions: dict[int, int]) -> None:
    if stale := [str(row) for row in rows if admin.version_of(row) != versions[row.pk]]:
        names = format_html_join(", ", "<bdi>{}</bdi>", ((name,) for name in stale[:REPORTED_REFUSALS]))
        messages.warning(request, format_html("Changed since you opened it: {}. This page shows how it is now.", names))


def _ask(
    admin: "DeskAdmin", request: HttpRequest, action: Action, rows: Sequence[Any], form: ActionForm, back: str
) -> HttpResponse:
    unfit = [(row, reason) for row in rows if (reason := action.unfit(row))]
    number = len(rows) - len(unfit)
    names = admin.opts.verbose_name if number == 1 else admin.opts.verbose_name_plural
    affected = action.affected(rows)
    context = {
        **admin.admin_site.each_context(request),
        "opts": admin.opts,
        "original": rows[0] if len(rows) == 1 else None,
        "title": f"{action.title}: {rows[0]}" if len(rows) == 1 else f"{action.title}: {number} {names}",
        "action": action,
        "consequence": action.consequence_for(rows),
        "address": reverse(f"admin:bookings_{admin.opts.model_name}_act", args=[action.name]),
        "form": form,
        "rows": rows[:SHOWN_ROWS],
        "rows_template": admin.rows_template,
        "more": max(0, len(rows) - SHOWN_ROWS),
        "unfit": unfit[:SHOWN_ROWS],
        "unfit_count": len(unfit),
        "number": number,
        "names": names,
        "chosen": chosen_text(admin, rows),
        "back": back,
        "hit": affected[:SHOWN_ROWS],
        "hit_count": affected.count(),
    }
    return TemplateResponse(request, "admin/bookings/action.html", context)


def _second_click_text(action: Action, rows: Sequence[Any]) -> str:
    which = rows[0] if len(rows) == 1 else f"{len(rows):,}"
    first = action.first_click or message("{} {}.", which, action.done)
    return format_html("{} The second click changed nothing.", first)


def some_of(texts: Sequence[str]) -> str:
    shown = list(texts[:REPORTED_REFUSALS])
    if len(texts) > len(shown):
        shown.append(f"And {len(texts) - len(shown):,} more.")
    return format_html_join(" ", "<bdi>{}</bdi>", ((text,) for text in shown))


def _told(refusal: Refused) -> str:
    """The message of a refusal, with the way to the blackout that is its cause."""
    if "blackout" not in refusal.params:
        return refusal.message
    return format_html("{} {}.", refusal.message, blackout_link("See the blackout", refusal.params["blackout"]))
