"""Who may log in, with which role, and for which areas."""

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from unfold.admin import ModelAdmin, StackedInline
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from bookings.admin.desk import DeskForm, DeskList
from bookings.models import AreaRestriction

admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(DeskList, DjangoGroupAdmin, ModelAdmin):
    pass


class AreaRestrictionInline(DeskForm, StackedInline):
    model = AreaRestriction
    filter_horizontal = ["areas"]
    verbose_name = "restriction to areas"
    verbose_name_plural = "restriction to areas"


@admin.register(User)
class UserAdmin(DeskList, DjangoUserAdmin, ModelAdmin):  # type: ignore[type-arg]
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    inlines = [AreaRestrictionInline]
