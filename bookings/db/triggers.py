"""The triggers that must exist, by database: migrations make them, and what is promised rests on them.

SQLite drops a table's triggers when Django makes the table anew, and a restore may leave them out. So `/readyz`,
`verify_bookings` and a test after `migrate` ask which are missing.
"""

from django.db import connection

# By name, the table. Who adds a trigger names it here; who drops one takes it out.
TRIGGERS = {
    "postgresql": {
        "area_adds_its_code": "bookings_servicearea",
        "area_changes_its_code": "bookings_servicearea",
        "area_removes_its_codes": "bookings_servicearea",
        "area_code_is_folded": "bookings_areacode",
        "area_stays_practice_or_not": "bookings_servicearea",
        "history_entry_is_append_only": "bookings_historyentry",
        "slot_stays_in_place": "bookings_appointmentslot",
        "slot_has_changed": "bookings_appointmentslot",
    },
    "sqlite": {
        "area_adds_its_code": "bookings_servicearea",
        "area_changes_its_code": "bookings_servicearea",
        "area_removes_its_codes": "bookings_servicearea",
        "area_code_is_folded": "bookings_areacode",
        "area_stays_practice_or_not": "bookings_servicearea",
        "history_entry_is_not_changed": "bookings_historyentry",
        "history_entry_is_not_deleted": "bookings_historyentry",
        "slot_stays_in_place": "bookings_appointmentslot",
        "slot_has_changed": "bookings_appointmentslot",
        "search_document_is_indexed": "bookings_searchdocument",
        "search_document_is_changed": "bookings_searchdocument",
        "search_document_is_removed": "bookings_searchdocument",
    },
}
THERE = {
    # One that is switched off (D), or that fires on a replica alone (R), guards nothing.
    "postgresql": """SELECT t.tgname, c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
        WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND pg_table_is_visible(c.oid)""",
    "sqlite": "SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger'",
}


def missing() -> list[str]:
    """The names of those that should be there and are not, in the order of the alphabet."""
    with connection.cursor() as cursor:
        cursor.execute(THERE[connection.vendor])
        there = set(cursor.fetchall())
    return sorted(name for name, table in TRIGGERS[connection.vendor].items() if (name, table) not in there)
