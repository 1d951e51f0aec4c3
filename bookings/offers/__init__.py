"""Which slots may be offered, and which may be taken. Nothing here writes.

rulebook.py has the rules, customer.py the customer's times, finding.py finds the area of a visit and slots in it,
searching.py what a search offers, and choices.py has the IDs of offers and what a booking names. For services, admin,
api and commands, by the names below.
"""

from bookings.offers.choices import offer_id as offer_id
from bookings.offers.choices import offered as offered
from bookings.offers.choices import read_id as read_id
from bookings.offers.customer import CustomerTimes as CustomerTimes
from bookings.offers.customer import customer_times as customer_times
from bookings.offers.explaining import MOST as MOST
from bookings.offers.explaining import PAGE as PAGE
from bookings.offers.explaining import ExplainedSlot as ExplainedSlot
from bookings.offers.explaining import Explanation as Explanation
from bookings.offers.explaining import explain as explain
from bookings.offers.explaining import read_cursor as read_cursor
from bookings.offers.explaining import tally as tally
from bookings.offers.explaining import verdicts as verdicts
from bookings.offers.explaining import write_cursor as write_cursor
from bookings.offers.finding import ORDERS as ORDERS
from bookings.offers.finding import Candidates as Candidates
from bookings.offers.finding import area_of as area_of
from bookings.offers.finding import find_area as find_area
from bookings.offers.finding import find_slots as find_slots
from bookings.offers.finding import no_area as no_area
from bookings.offers.finding import preferred as preferred
from bookings.offers.rulebook import REFUSALS as REFUSALS
from bookings.offers.rulebook import SHOWN as SHOWN
from bookings.offers.rulebook import SLOTS as SLOTS
from bookings.offers.rulebook import WITH_SHOWN_SLOT as WITH_SHOWN_SLOT
from bookings.offers.rulebook import Condition as Condition
from bookings.offers.rulebook import all_of as all_of
from bookings.offers.rulebook import any_of as any_of
from bookings.offers.rulebook import as_filter as as_filter
from bookings.offers.rulebook import in_time as in_time
from bookings.offers.rulebook import last_moment as last_moment
from bookings.offers.rulebook import rules as rules
from bookings.offers.rulebook import suitable as suitable
from bookings.offers.rulebook import takeable as takeable
from bookings.offers.rulebook import taking as taking
from bookings.offers.rulebook import was_late as was_late
from bookings.offers.rulebook import with_refusal as with_refusal
from bookings.offers.rulebook import with_refusals as with_refusals
from bookings.offers.rulebook import with_suits as with_suits
from bookings.offers.searching import EMPTY as EMPTY
from bookings.offers.searching import SearchResult as SearchResult
from bookings.offers.searching import alternatives as alternatives
from bookings.offers.searching import latest_delivery as latest_delivery
from bookings.offers.searching import open_for as open_for
from bookings.offers.searching import read_periods as read_periods
from bookings.offers.searching import search as search
