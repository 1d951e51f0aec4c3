"""The three roles of dispatch, as groups. Safe to repeat: it adds what is missing and takes nothing away.

viewer        sees everything of their areas
dispatcher    reviews, notes, moves and cancels bookings
supervisor    also slots, areas, many cancellations at once, exports
"""

from django.db import migrations

from bookings.db.migrating import permission

VIEWER = {
    "workorder": ["view_workorder"],
    "partorder": ["view_partorder"],
    "requiredpart": ["view_requiredpart"],
    "historyentry": ["view_historyentry"],
    "refusal": ["view_refusal"],
    "appointmentslot": ["view_appointmentslot"],
    "servicearea": ["view_servicearea"],
    "postcodeprefix": ["view_postcodeprefix"],
}
DISPATCHER = {"workorder": ["review_workorder", "note_workorder", "move_workorder", "cancel_workorder"]}
SUPERVISOR = {
    "workorder": ["bulk_cancel_workorder", "export_workorder"],
    "appointmentslot": ["add_appointmentslot", "close_appointmentslot", "resize_appointmentslot"],
    "servicearea": ["add_servicearea", "change_servicearea"],
    "postcodeprefix": ["add_postcodeprefix", "change_postcodeprefix", "delete_postcodeprefix"],
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
        for grant in grants:
            for model, codenames in grant.items():
                group.permissions.add(*[permission(apps, model, codename) for codename in codenames])


class Migration(migrations.Migration):
    dependencies = [
        ("bookings", "0012_require_area_and_visit"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(make_roles, migrations.RunPython.noop)]
