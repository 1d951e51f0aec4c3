"""The migrations of before the first release, by the one that replaces them. Their files are gone.

Each of the new ones stands for the old ones of its kind. So a new database that was interrupted between two of them has
other rows in django_migrations than an old one that stopped somewhere in the old order, which `migrate` refuses
(management/commands/migrate.py).
"""


def _named(names: str) -> list[tuple[str, str]]:
    return [("bookings", name) for name in names.split()]


TABLES_OF_SUPPLY = _named("""
    0001_create_the_tables
    0015_index_closed_slots_and_parts
    0020_describe_the_supply
    0027_fill_offset_and_source
    0032_name_areas_by_several_codes
    0033_end_slots_within_a_day
    0034_validate_slots_and_zones
    0043_add_folded_codes_of_areas
    0045_let_folded_codes_name_one_area
    0046_drop_the_index_of_codes_in_small_letters
    0050_write_help_texts_again
    0054_index_the_feed_of_slots
    0057_add_practice_areas
""")
TABLES_OF_BOOKINGS = _named("""
    0010_add_the_desk
    0011_fill_the_desk
    0012_require_area_and_visit
    0014_add_log_in_and_feed
    0030_index_work_orders_by_location
    0031_index_work_orders_by_customer
    0036_drop_the_index_by_account
    0037_keep_what_was_refused
    0039_read_impossible_dates_as_none
    0040_say_after_which_booking
    0041_book_one_after_another
    0055_index_the_feed_of_refusals
    0059_let_reviews_be_undone
    0060_index_the_history_of_slots_alone
    0061_drop_indexes_that_nothing_needs
""")
TABLES_OF_PEOPLE = _named("""
    0047_add_keys_of_systems
    0051_add_workers_and_absences
    0056_add_calendars_and_empty_searches
""")
TABLES_OF_DELIVERY = _named("""
    0042_deliver_to_receivers
    0048_say_what_a_receiver_does_not_do
    0058_remember_when_a_call_was_begun
""")
TRIGGERS = _named("""
    0002_make_the_history_append_only
    0021_let_housekeeping_forget
    0026_keep_slots_in_place
    0038_let_housekeeping_forget_reasons
    0044_compare_areas_by_folded_codes
    0053_give_slots_and_refusals_a_place_in_a_feed
""")
SEARCH_AND_STORAGE = _named("""
    0025_fit_the_tables_to_bookings
    0028_add_search_documents
    0029_fill_search_documents
    0062_drop_the_index_of_beginnings
""")
ROLES = _named("""
    0013_make_the_roles
    0022_let_slot_viewers_see_blackouts
    0035_let_supervisors_name_areas
    0049_let_dispatchers_clear_blackouts
    0052_note_workers_and_order_types
""")
