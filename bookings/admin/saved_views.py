"""Saved views: the filters of a list, the planner, the capacity grid or the numbers under a name, own or shared.

A view is what stands in the address after the question mark, so that areas and roles hold in it as they do there. The
search is left out: a view of a customer's name would keep it when the customer's data are removed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import BooleanField, ExpressionWrapper, Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from bookings.access import kept
from bookings.admin import addresses
from bookings.admin.cells import message
from bookings.admin.forms import TEXT
from bookings.models import SavedView, ServiceArea, visible_areas

# Of one person on one page; and at least as many of others, which are shared, are shown there.
MOST = 50
# So many of others are looked at for a person who is restricted, who sees those that name no other area.
LOOKED_AT = 500
LONGEST_QUERY = SavedView._meta.get_field("query").max_length or 0
LEFT_OUT = {"q", "p", "e", "move", "row", "_changelist_filters"}
SHARE = "bookings.share_savedview"


@dataclass(frozen=True)
class Page:
    title: str
    address_name: str
    permission: str

    @property
    def address(self) -> str:
        return reverse(self.address_name)

    def with_view(self, view: SavedView) -> str:
        return f"{self.address}?{plain_query(view.query)}"


def _list(title: str, model: str) -> Page:
    return Page(title, f"admin:bookings_{model}_changelist", f"bookings.view_{model}")


PAGES = {
    "workorder": _list("work orders", "workorder"),
    "appointmentslot": _list("slots", "appointmentslot"),
    "blackout": _list("blackouts", "blackout"),
    "refusal": _list("refusals", "refusal"),
    "emptysearch": _list("empty searches", "emptysearch"),
    "servicearea": _list("areas", "servicearea"),
    "worker": _list("workers", "worker"),
    "ordertype": _list("order types", "ordertype"),
    "numbers": Page("numbers", "numbers", "bookings.view_dailysum"),
    "planner": Page("the planner", "admin:bookings_appointmentslot_planner", "bookings.view_appointmentslot"),
    "capacity": Page("capacity", "admin:bookings_appointmentslot_capacity", "bookings.view_appointmentslot"),
}


class ViewForm(forms.Form):
    name = forms.CharField(max_length=60, widget=forms.TextInput(TEXT))
    query = forms.CharField(required=False, strip=False, widget=forms.HiddenInput)
    is_shared = forms.BooleanField(label="Shared with all who may open this page", required=False)

    def __init__(self, request: HttpRequest, data: Any = None, **initial: Any) -> None:
        super().__init__(data, initial=initial)
        if not request.user.has_perm(SHARE):
            del self.fields["is_shared"]

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if not name.isprintable():
            raise forms.ValidationError("This holds a character that cannot be printed.")
        return name

    def clean_query(self) -> str:
        # What is kept is longer than what was sent where it has letters beyond ASCII.
        query = plain_query(self.cleaned_data["query"])
        if len(query) > LONGEST_QUERY:
            raise forms.ValidationError(
                f"These filters are longer than {LONGEST_QUERY:,} characters. Take some of them away."
            )
        return query


def urls() -> list[URLPattern]:
    return [path("views/<str:name>/", admin.site.admin_view(views_page), name="views")]


def plain_query(text: str) -> str:
    """What a page is asked, without the search, the place in the list, and NUL, which no address may hold."""
    asked = {name: values for name, values in QueryDict(text).lists() if name not in LEFT_OUT and "\0" not in name}
    kept_values = {name: [one for one in some if one and "\0" not in one] for name, some in asked.items()}
    return addresses.with_query("", kept_values).lstrip("?")


def on_page(request: HttpRequest, name: str) -> dict[str, Any]:
    """For the bar above a page: its views, and where the present one is saved. One statement, and one for the areas of
    a person who is restricted."""
    if name not in PAGES:
        return {}
    page = PAGES[name]
    return {
        "saved_views": [(page.with_view(view), view.name, _sharing(request, view)) for view in _visible(request, name)],
        "save_view": addresses.with_query(
            reverse("views", args=[name]), {"query": plain_query(request.GET.urlencode())}
        ),
    }


def _visible(request: HttpRequest, name: str) -> list[SavedView]:
    """A person's own, then the shared ones; of these none that names an area which the person may not see."""
    mine = Q(owner=request.user.pk)
    views = SavedView.objects.filter(mine | Q(is_shared=True), page=name).select_related("owner")
    views = views.order_by(ExpressionWrapper(~mine, BooleanField()), "name", "pk")
    if visible_areas(request.user) is None:
        return list(views[: 2 * MOST])
    seen = set(ServiceArea.objects.visible_to(request.user).values_list("code", flat=True))
    looked_at = views[: MOST + LOOKED_AT]
    shown = (view for view in looked_at if _is_own(request, view) or seen.issuperset(_areas_of(view)))
    return list(islice(shown, 2 * MOST))


def _sharing(request: HttpRequest, view: SavedView) -> str:
    """Whether it is shared, and who shares it unless that is the person who reads this."""
    if not view.is_shared:
        return ""
    return "shared" if _is_own(request, view) else f"shared by {view.owner.get_username()}"


def _is_own(request: HttpRequest, view: SavedView) -> bool:
    return view.owner_id == request.user.pk


def _areas_of(view: SavedView) -> list[str]:
    return QueryDict(view.query).getlist("area")


# --- The page on which they are saved, renamed, shared and deleted -------------------------------------------


def views_page(request: HttpRequest, name: str) -> HttpResponse:
    page = PAGES.get(name)
    if page is None:
        raise Http404
    if not request.user.has_perm(page.permission):
        raise PermissionDenied
    kept.show_again(request, "view")
    do, given = request.POST.get("do"), request.POST if request.method == "POST" else None
    query = plain_query((given or request.GET).get("query", ""))
    form = ViewForm(request, given, query=query) if given and do in ("save", "edit") else ViewForm(request, query=query)
    if do == "save" and form.is_valid() and _save(request, name, form):
        return HttpResponseRedirect(f"{page.address}?{form.cleaned_data['query']}")
    if do in ACTS:
        may, act, question = ACTS[do]
        view = _chosen(request, name, may)
        if question and "sure" not in request.POST:
            return _asked(request, page, view, do, question)
        act(request, view)
        return HttpResponseRedirect(request.get_full_path())
    context = {
        **admin.site.each_context(request),
        "title": f"Views of {page.title}",
        "form": form,
        "views": [_row(request, page, view) for view in _visible(request, name)],
        "may_share": request.user.has_perm(SHARE),
        "back": f"{page.address}?{query}",
    }
    return TemplateResponse(request, "admin/bookings/views.html", context)


def _row(request: HttpRequest, page: Page, view: SavedView) -> dict[str, Any]:
    return {
        "view": view,
        "address": page.with_view(view),
        "sharing": _sharing(request, view),
        "is_own": _is_own(request, view),
        "may_unshare": _may_unshare(request, view),
    }


def _may_unshare(request: HttpRequest, view: SavedView) -> bool:
    """Those who share for all areas look after what others share: they take it from all but its owner."""
    is_of_another = view.is_shared and not _is_own(request, view)
    return is_of_another and request.user.has_perm(SHARE) and visible_areas(request.user) is None


def _chosen(request: HttpRequest, name: str, may: Callable[[HttpRequest, SavedView], bool]) -> SavedView:
    key = request.POST.get("view", "")
    view = next((view for view in _visible(request, name) if str(view.pk) == key), None)
    if view is None:
        raise Http404
    if not may(request, view):
        raise PermissionDenied
    return view


def _asked(request: HttpRequest, page: Page, view: SavedView, do: str, question: str) -> HttpResponse:
    context = {
        **admin.site.each_context(request),
        "title": question.format(view.name),
        "do": do,
        "row": _row(request, page, view),
        "back": request.get_full_path(),
    }
    return TemplateResponse(request, "admin/bookings/view_asked.html", context)


def _save(request: HttpRequest, name: str, form: ViewForm) -> bool:
    """Under a name that there is, the person's view gets the new filters."""
    given, owner = form.cleaned_data, cast(Any, request.user)
    same = SavedView.objects.filter(owner=owner, page=name)
    if not same.filter(name=given["name"]).exists() and same.count() >= MOST:
        form.add_error("name", f"You have {MOST} views here. Delete one first.")
        return False
    values = {"query": given["query"], "is_shared": given.get("is_shared", False)}
    SavedView.objects.update_or_create(owner=owner, page=name, name=given["name"], defaults=values)
    messages.success(request, message("The view {} was saved.", given["name"]))
    return True


def _change(request: HttpRequest, view: SavedView) -> None:
    form = ViewForm(request, request.POST)
    if form.has_error("name"):
        messages.error(request, "Give the view a name of up to 60 characters.")
        return
    view.name, view.is_shared = form.cleaned_data["name"], form.cleaned_data.get("is_shared", view.is_shared)
    try:
        with transaction.atomic():
            view.save(update_fields=["name", "is_shared"])
    except IntegrityError:
        messages.error(request, message("There is a view {} already.", view.name))
    else:
        messages.success(request, message("The view {} was changed.", view.name))


def _delete(request: HttpRequest, view: SavedView) -> None:
    name = view.name
    view.delete()
    messages.success(request, message("The view {} was deleted.", name))


def _unshare(request: HttpRequest, view: SavedView) -> None:
    SavedView.objects.filter(pk=view.pk).update(is_shared=False)
    messages.success(request, message("The view {} is no longer shared.", view.name))


# Who may do it, what it does, and what is asked before.
ACTS: dict[str, tuple[Callable[[HttpRequest, SavedView], bool], Callable[[HttpRequest, SavedView], None], str]] = {
    "change": (_is_own, _change, ""),
    "delete": (_is_own, _delete, "Delete the view {}?"),
    "unshare": (_may_unshare, _unshare, "Stop sharing the view {}?"),
}
