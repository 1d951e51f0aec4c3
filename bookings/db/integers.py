"""A number beyond 64 bits is no row's. Django knows that of a field's own `=` and `<`; SQLite fails at it elsewhere.

So each list of keys that comes in by an address or a form is safe, wherever it is asked for.
"""

from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db.models import ForeignKey, IntegerField
from django.db.models.fields.related_lookups import RelatedExact, RelatedIn
from django.db.models.lookups import In


def _is_within_range(number: int) -> bool:
    return -(2**63) <= number < 2**63


class WithinRange:
    def get_prep_lookup(self) -> Any:
        values = super().get_prep_lookup()  # type: ignore[misc]
        if not isinstance(values, list):  # a query
            return values
        return [value for value in values if not isinstance(value, int) or _is_within_range(value)]


@IntegerField.register_lookup
class InWithinRange(WithinRange, In):
    pass


@ForeignKey.register_lookup
class RelatedInWithinRange(WithinRange, RelatedIn):
    pass


@ForeignKey.register_lookup
class RelatedExactWithinRange(RelatedExact):
    def as_sql(self, compiler: Any, connection: Any) -> Any:
        if isinstance(self.rhs, int) and not _is_within_range(self.rhs):
            raise EmptyResultSet
        return super().as_sql(compiler, connection)
