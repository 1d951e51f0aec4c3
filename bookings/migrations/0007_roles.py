"""The three roles of dispatch, as groups. Safe to repeat: it adds what is missing and takes nothing away.

viewer        sees everything of their areas
dispatcher    reviews, notes, moves and cancels bookings, closes for a time, sends to receivers again
supervisor    also slots, areas, workers, keys, many cancellations at once, exports
"""

from django.db import migrations

from bookings.db.migrating import permission
from bookings.migrations import _before

SEEN_BY_ALL = """workorder partorder requiredpart historyentry refusal emptysearch appointmentslot blackout servicearea
    areacode postcodeprefix worker ordertype receiver delivery deliveryentry"""
VIEWER = {model: [f"view_{model}"] for model in SEEN_BY_ALL.split()}
DISPATCHER = {
    "workorder": ["review_workorder", "note_workorder", "move_workorder", "cancel_workorder"],
    "blackout": ["clear_blackout"],
    "refusal": ["book_refusal"],
    "receiver": ["send_again"],
}
SUPERVISOR = {
    "workorder": ["bulk_cancel_workorder", "export_workorder"],
    "appointmentslot": ["add_appointmentslot", "close_appointmentslot", "resize_appointmentslot"],
    "servicearea": ["add_servicearea", "change_servicearea"],
    "areacode": ["add_areacode", "change_areacode", "delete_areacode"],
    "postcodeprefix": ["add_postcodeprefix", "change_postcodeprefix", "delete_postcodeprefix"],
    "worker": ["add_worker", "change_worker"],
    "ordertype": ["add_ordertype", "change_ordertype"],
    "ability": ["view_ability", "add_ability", "change_ability", "delete_ability"],
    "receiver": ["pause_receiver"],
    "apikey": ["view_apikey", "add_apikey", "revoke_apikey"],
    "calendaraddress": ["view_calendaraddress", "add_calendaraddress", "revoke_calendaraddress"],
}
ROLES = {
    "viewer": [VIEWER],
    "dispatcher": [VIEWER, DISPATCHER],
    "supervisor": [VIEWER, DISPATCHER, SUPERVISOR],
}


def make_roles(apps, schema_editor):
    Group = apps.get_model("auth", "Group")
    for role, grants in ROLES.items():
        group, _ = Group.objects.get_or_create(name=role)
        for model, codenames in (item for given in grants for item in given.items()):
            group.permissions.add(*[permission(apps, model, codename) for codename in codenames])


class Migration(migrations.Migration):
    replaces = _before.ROLES
    dependencies = [
        ("bookings", "0006_search_and_storage"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(make_roles, migrations.RunPython.noop)]
