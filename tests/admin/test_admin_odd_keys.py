"""Addresses and forms of the admin with keys that can be none: 404, never 500, for every class that is registered."""

import os
import re

import pytest
from django import forms
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.template.response import TemplateResponse
from django.test import Client, RequestFactory
from django.urls import reverse

from bookings.admin import error_page

ODD = ["Infinity", "NaN", "1e999", "9" * 30, "9" * 5000, "-1", "_0A", "%00", "٣", "1_0", "1.0", "True", "x"]
REGISTERED = list(admin.site._registry)
CLASSES = [pytest.param(model, id=model.__name__) for model in REGISTERED]
# In `make torture` each key everywhere; else each third one, others at the next place and in the next class: so each
# is tried at each kind of place in some class.
EACH = 1 if "TORTURE_OPERATIONS" in os.environ else 3


def keys_at(model, place: int) -> list[str]:
    return ODD[(REGISTERED.index(model) + place) % EACH :: EACH]


@pytest.fixture
def boss(db):
    return User.objects.create_superuser("boss")


@pytest.fixture
def pages(boss, monkeypatch):
    """A client. Each error page is drawn once: but for the address it is the same for each key, and it takes long."""
    drawn, draw = set(), error_page.draw

    def draw_once(request, status, *more):
        if status in drawn:
            return HttpResponse(status=status)
        drawn.add(status)
        return draw(request, status, *more)

    monkeypatch.setattr(error_page, "draw", draw_once)
    client = Client(raise_request_exception=False)
    client.force_login(boss)
    return client


def name_of(model, page: str) -> str:
    return f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}"


@pytest.mark.parametrize("model", CLASSES)
def test_every_page_of_a_row(pages, model):
    tried = 0
    for pattern in admin.site._registry[model].get_urls():
        if pattern.name is None or not re.search(r"<(path:object_id|id)>", str(pattern.pattern)):
            continue
        for key in ODD:
            address = reverse(f"admin:{pattern.name}", args=[key])
            for call in (pages.get, pages.post):
                assert call(address).status_code in {404, 403, 405}, (call, address)
                tried += 1
    assert tried >= 2 * len(ODD)


@pytest.mark.parametrize("model", CLASSES)
def test_every_action_of_a_list(pages, boss, model):
    request = RequestFactory().get("/")
    request.user = boss
    for place, action in enumerate(admin.site._registry[model].get_actions(request)):
        for key in keys_at(model, place):
            data = {"action": action, ACTION_CHECKBOX_NAME: ["1", key], "index": 0}
            assert pages.post(reverse(name_of(model, "changelist")), data).status_code == 404, (action, key)


def rows_and_filters(answer) -> str:
    """All that asks the database for a list."""
    changes = answer.context_data["cl"]
    return str([list(changes.result_list), *(list(each.choices(changes)) for each in changes.filter_specs)])


def form_of(answer) -> str:
    """With what may be chosen in the form, which is looked up."""
    return str(answer.context_data.get("form") or answer.context_data["adminform"].form)


@pytest.mark.parametrize("model", CLASSES)
def test_every_filter_of_a_list(pages, model, monkeypatch):
    for name in ("id", "area", "p", "o", "q"):
        assert pages.get(reverse(name_of(model, "changelist")), {name: ODD[0]}).status_code in {200, 302}, name
    # The page around it is the same for each key, and takes more time than all the rest.
    monkeypatch.setattr(TemplateResponse, "rendered_content", property(rows_and_filters))
    monkeypatch.setattr(admin.site, "each_context", lambda request: {})
    names = ["id", "pk", "id__in", "pk__in", "id__gt", "area", "area__id__exact", "slot", "p", "o", "q"]
    for place, name in enumerate(names):
        for key in keys_at(model, place):
            answer = pages.get(reverse(name_of(model, "changelist")), {name: key})
            assert answer.status_code in {200, 302}, (name, key)


@pytest.mark.parametrize("model", CLASSES)
def test_every_choice_of_a_form(pages, boss, model, monkeypatch):
    """What a page lets choose from rows is refused beside the field. The page itself is made for the first key."""
    request = RequestFactory().get("/")
    request.user = boss
    registered = admin.site._registry[model]
    if not registered.has_add_permission(request):
        return
    fields = registered.get_form(request)().fields
    chosen = [name for name, field in fields.items() if isinstance(field, forms.ModelChoiceField)]
    for key in keys_at(model, 0):
        answer = pages.post(reverse(name_of(model, "add")), dict.fromkeys(chosen, key))
        assert answer.status_code == 200, key
        monkeypatch.setattr(TemplateResponse, "rendered_content", property(form_of))


def test_a_row_that_is_gone_is_told_of(pages):
    answer = pages.get("/admin/auth/group/999/change/", follow=True)
    assert "doesn’t exist. Perhaps it was deleted?" in answer.content.decode()
