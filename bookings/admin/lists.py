"""How many rows a list counts, how many it shows, and what it says that it shows."""

from collections.abc import Sequence
from typing import Any

from django.contrib.admin.templatetags.admin_list import result_headers
from django.contrib.admin.views.main import ORDER_VAR
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.views import ChangeList

from bookings.admin import addresses, days, table
from bookings.models import ServiceArea, visible_areas

# A filter or a search leads further than so many rows can be paged through. It bounds what a count can cost.
COUNTED = 10_000
# A day or a few are listed, and printed, on one page.
ROWS_OF_DAYS = 250
# "Show all" lists, and "Print" then prints, so many on one page.
ROWS_OF_ALL = 2_000


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts no more rows than a list pages through, so that a million cost what ten thousand do."""

    template_name = "admin/bookings/page_numbers.html"
    # Keys of some of many rows that a search finds. Where the list holds these, it counts and pages no more.
    some: Sequence[int] = ()
    # How many there are, where that is known without counting them.
    known: int | None = None

    @property
    def most(self) -> int:
        return len(self.some) or COUNTED

    @cached_property
    def count(self) -> int:
        if self.known is not None:
            return self.known
        rows: QuerySet[Any] = self.object_list  # type: ignore[assignment]
        if self.some and bounded_count(rows.filter(pk__in=self.some)) == self.most:
            return self.most
        return bounded_count(rows, self.most)

    def validate_number(self, number: Any) -> int:
        """A page that is there no longer, because its rows were reviewed, is the last one: the filters stay."""
        return max(1, min(int(number), self.num_pages))

    @property
    def has_more(self) -> bool:
        return self.count >= self.most


def bounded_count(rows: QuerySet[Any], most: int | None = None) -> int:
    """How many there are, up to `most`, or as many as a list pages through."""
    return rows.order_by().values("pk")[: most or COUNTED].count()


def count_text(count: int, most: int | None = None) -> str:
    """What `bounded_count` says, in words: `10,000+` where the count ended."""
    return f"{count:,}+" if count >= (most or COUNTED) else f"{count:,}"


def no_areas_text(user: Any) -> str:
    """Why a person sees nothing at all; empty where the areas are not the reason."""
    if visible_areas(user) == set():
        return "You are restricted to areas, but none was chosen yet. Ask your administrator."
    if ServiceArea.objects.exists():
        return ""
    if user.has_perm("bookings.add_servicearea"):
        add = reverse("admin:bookings_servicearea_add")
        return format_html('There are no areas yet. <a class="desk-link" href="{}">Add the first one</a>.', add)
    return "There are no areas yet. Ask your administrator to add one."


class DeskChangeList(ChangeList):
    """Django would count the whole table to say what the filters leave out."""

    page_num: int
    result_list: Any
    nothing_fits = "Nothing fits. Remove a filter."

    def get_results(self, request: HttpRequest) -> None:
        if any(days.read_day(request.GET.get(name)) for name in ("day", "until")):
            self.list_per_page = ROWS_OF_DAYS
        if getattr(request, "some_found", ()):
            self.list_max_show_all = 0  # they are more than the paginator counts
        super().get_results(request)
        self.request = request
        self.page_num = self.paginator.validate_number(self.page_num)
        self.full_result_count = self.result_count

    @cached_property
    def headings(self) -> list[dict[str, Any]]:
        return list(result_headers(self))

    @property
    def rows(self) -> SafeString:
        return table.rows_of(self, self.result_list, [heading["text"] for heading in self.headings])

    @property
    def counted(self) -> str:
        return count_text(self.result_count, self.paginator.most)

    @property
    def cut_text(self) -> str:
        """Which rows are listed where a search finds more than the paginator counts; empty where it counts all."""
        if not (self.paginator.some and self.paginator.has_more):
            return ""
        # By a column that was clicked, all that are found are sorted; else the newest come first.
        which = "first {:,} in this order" if self.params.get(ORDER_VAR) else "newest {:,}"
        return f"The {which.format(self.paginator.most)} are listed. More may fit."

    @property
    def print_text(self) -> str:
        is_whole = not self.multi_page or (self.show_all and self.can_show_all)
        return "Print" if is_whole else "Print page"

    def empty_text(self) -> str:
        """Why the list holds nothing, and what to do."""
        narrowed = self.nothing_fits if self.combined() else ""
        return no_areas_text(self.request.user) or narrowed or "There is nothing here yet."

    def combined(self) -> list[tuple[str, str]]:
        """All that narrows the list, in words, each with the address of the list without it."""
        found = [(spec.parameter_name, spec.says()) for spec in self.filter_specs if hasattr(spec, "says")]
        if self.query:
            found.append(("q", f"search: {self.query}"))
        asked = {name: values for name, values in self.request.GET.lists() if name != "p" and any(values)}
        return [
            (text, addresses.with_query("", {key: asked[key] for key in asked if key != name} or {"view": "all"}))
            for name, text in found
            if text
        ]
