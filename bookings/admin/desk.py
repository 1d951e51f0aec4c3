"""What all pages of the desk share: lists that are looked at, pages of a row, and the actions on one row or many.

Each class shows only the areas that the viewer may see, in its list, pages, actions and exports: `get_queryset` is
the one place of it.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, cast

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import unquote
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.admin import ModelAdmin
from unfold.views import ChangeList

from bookings.access import kept
from bookings.admin import actions, addresses, lists, saved_views
from bookings.services import search_terms


def close_links(request: HttpRequest) -> list[tuple[str, str]]:
    may = request.user.has_perm("bookings.close_appointmentslot")
    return [(reverse("admin:bookings_blackout_add"), "Close for a time")] if may else []


def check_keys(*keys: str) -> None:
    if not all(map(addresses.is_key, keys)):
        raise Http404


class DeskForm:
    """For the forms of the theme: no field has links to the page of its rows. Newer releases of the theme would open
    them in a frame, and no page of the desk may be framed; the menu leads there."""

    def formfield_for_dbfield(self, *arguments: Any, **options: Any) -> Any:
        field = super().formfield_for_dbfield(*arguments, **options)  # type: ignore[misc]
        if field and isinstance(field.widget, RelatedFieldWidgetWrapper):
            field.widget = field.widget.widget
        return field


class DeskList(DeskForm):
    """What all lists share. Each word of a search is a condition of the statement; a thousand are more than SQLite
    takes. A page that is there no longer is the last one."""

    opts: Any
    paginator: Any = lists.BoundedPaginator
    list_max_show_all = lists.ROWS_OF_ALL
    list_before_template = "admin/bookings/list_links.html"

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {**(extra_context or {}), **saved_views.on_page(request, self.opts.model_name)}
        return super().changelist_view(request, context)  # type: ignore[misc,no-any-return]

    def changeform_view(self, request: HttpRequest, *arguments: Any, **options: Any) -> HttpResponse:
        """Draws again what was typed before a log-in, as a form that cannot be saved yet."""
        self_shown = kept.show_again(request, self.opts.verbose_name)
        request.is_shown_again = self_shown  # type: ignore[attr-defined]
        return super().changeform_view(request, *arguments, **options)  # type: ignore[misc,no-any-return]

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """For all pages of a row. Of one that is gone Django tells; what can be no primary key is no address."""
        check_keys(object_id)
        return super().get_object(request, object_id, from_field)  # type: ignore[misc]

    def formfield_for_dbfield(self, *arguments: Any, **options: Any) -> Any:
        """With what the page showed, so that `save_model` knows what was changed on it."""
        field = super().formfield_for_dbfield(*arguments, **options)
        if field:
            field.show_hidden_initial = True
        return field

    def save_model(self, request: HttpRequest, row: Any, form: Any, change: bool) -> None:
        """Of a row that is there only what was changed on the page: the rest may be another writer's by now."""
        changed = [field.name for field in row._meta.concrete_fields if field.name in form.changed_data]
        row.save(update_fields=changed if change else None)

    def response_action(self, request: HttpRequest, *arguments: Any, **options: Any) -> Any:
        check_keys(*request.POST.getlist(ACTION_CHECKBOX_NAME))
        return super().response_action(request, *arguments, **options)  # type: ignore[misc]

    def get_form(self, request: HttpRequest, *arguments: Any, **options: Any) -> Any:
        form = super().get_form(request, *arguments, **options)  # type: ignore[misc]
        if not getattr(request, "is_shown_again", False):
            return form

        def clean(self: Any) -> None:
            raise ValidationError("Look at it and save it again.")

        return type(form.__name__, (form,), {"clean": clean})

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[ChangeList]:
        return lists.DeskChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        few = " ".join(search_term.split(" ")[: search_terms.MAX_PIECES])
        return super().get_search_results(request, queryset, few)  # type: ignore[misc,no-any-return]


class ReadOnlyAdmin(DeskList, ModelAdmin):
    """Looked at, never typed into."""

    list_per_page = 50
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).visible_to(request.user)  # type: ignore[no-any-return]


class DeskAdmin(ReadOnlyAdmin):
    """A list with the bar of filters, pages of its own, and the actions of `actions.py` on one row and on many."""

    change_list_template = "admin/bookings/desk_list.html"
    page_template = ""
    # How the page of an action lists what is chosen.
    rows_template = "admin/bookings/rows.html"
    desk_actions: Sequence[actions.Action] = ()

    def version_of(self, row: Any) -> int:
        """What changes when a person changes the row: an action on what was seen before then changes nothing."""
        raise NotImplementedError

    def get_urls(self) -> list[URLPattern]:
        name = f"bookings_{self.opts.model_name}_act"
        return [path("act/<slug:name>/", self.admin_site.admin_view(self.act_view), name=name), *super().get_urls()]

    def act_view(self, request: HttpRequest, name: str) -> HttpResponse:
        action = next((action for action in self.desk_actions if action.name == name), None)
        if action is None:
            raise Http404
        if not self.has_view_permission(request):
            raise PermissionDenied
        return actions.act(self, request, action)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        return {
            action.name: (partial(self._ask, action=action), action.name, action.title)
            for action in actions.allowed(request, self.desk_actions, many=True)
        }

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {**(extra_context or {}), **self.list_context(request)})

    def list_context(self, request: HttpRequest) -> dict[str, Any]:
        return {}

    @staticmethod
    def _ask(model_admin: Any, request: HttpRequest, rows: QuerySet[Any], *, action: actions.Action) -> HttpResponse:
        return actions.ask_about(model_admin, request, action, rows)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_view_permission(request) or request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        row = self.get_object(request, unquote(object_id))
        if row is None:
            return cast(HttpResponse, self._get_obj_does_not_exist_redirect(request, self.opts, object_id))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": str(row),
            "original": row,
            "row": row,
            "chosen": actions.chosen_text(self, [row]) if self.desk_actions else "",
            "actions": [
                action for action in actions.allowed(request, self.desk_actions, many=False) if not action.unfit(row)
            ],
            "act_address": f"admin:bookings_{self.opts.model_name}_act",
            **self.page_context(request, row),
        }
        return TemplateResponse(request, self.page_template, context)

    def page_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        raise NotImplementedError

    def form_page(
        self, request: HttpRequest, context: dict[str, Any], template: str = "admin/bookings/form.html"
    ) -> HttpResponse:
        """Without `opts`: with them, the heading would be the way to the list, and not the title."""
        back = reverse(f"admin:bookings_{self.opts.model_name}_changelist")
        context = {**self.admin_site.each_context(request), "back": back, **context}
        return TemplateResponse(request, template, context)

    def history_view(self, *arguments: Any, **options: Any) -> HttpResponse:
        """The history stands on the page itself, with more in it than Django's log knows."""
        raise Http404
