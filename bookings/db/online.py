"""Operations for migrations that run while bookings come in: on PostgreSQL without a lock that stops them.

On SQLite, where a migration has the file for itself anyway, they are Django's plain ones. A migration with an index of
these has `atomic = False`. docs/operations.md, "Migrations", has the rules.
"""

from typing import Any

from django.contrib.postgres.operations import (
    AddConstraintNotValid,
    AddIndexConcurrently,
    RemoveIndexConcurrently,
    ValidateConstraint,
)
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import AddConstraint, AddIndex, AlterField, RemoveConstraint, RemoveIndex
from django.db.migrations.state import ProjectState


def online_or(plain: Any, online: Any, schema_editor: BaseDatabaseSchemaEditor) -> Any:
    """Which of the two is to be run on this database."""
    return online if schema_editor.connection.vendor == "postgresql" else plain


class AddIndexOnline(AddIndexConcurrently):
    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        operation = online_or(AddIndex(self.model_name, self.index), super(), schema_editor)
        operation.database_forwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        operation = online_or(AddIndex(self.model_name, self.index), super(), schema_editor)
        operation.database_backwards(app_label, schema_editor, from_state, to_state)


class RemoveIndexOnline(RemoveIndexConcurrently):
    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        operation = online_or(RemoveIndex(self.model_name, self.name), super(), schema_editor)
        operation.database_forwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        operation = online_or(RemoveIndex(self.model_name, self.name), super(), schema_editor)
        operation.database_backwards(app_label, schema_editor, from_state, to_state)


class AddUniqueIndexOnline(AddConstraint):
    """A unique constraint with a condition, which is an index."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        if schema_editor.connection.vendor != "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        model = to_state.apps.get_model(app_label, self.model_name)
        text = str(self.constraint.create_sql(model, schema_editor))
        schema_editor.execute(text.replace("CREATE UNIQUE INDEX", "CREATE UNIQUE INDEX CONCURRENTLY", 1), params=None)


class AddConstraintOnline(AddConstraintNotValid):
    """New rows keep it from now on; the old ones are looked at by ValidateConstraintOnline, in the next migration."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        operation = online_or(AddConstraint(self.model_name, self.constraint), super(), schema_editor)
        operation.database_forwards(app_label, schema_editor, from_state, to_state)


class ValidateConstraintOnline(ValidateConstraint):
    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        if schema_editor.connection.vendor == "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)


class RemoveUniqueIndexOnline(RemoveConstraint):
    """A unique constraint that is an index: one with a condition or with expressions."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        if schema_editor.connection.vendor != "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {schema_editor.quote_name(self.name)}")


class RemoveFieldIndexOnline(AlterField):
    """The field has `db_index=False` from now on. The index alone is dropped; AlterField makes SQLite's table anew."""

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        model = from_state.apps.get_model(app_label, self.model_name)
        column = model._meta.get_field(self.name).column
        names = schema_editor._constraint_names(model, [column], index=True, unique=False)
        drop = online_or("DROP INDEX", "DROP INDEX CONCURRENTLY", schema_editor)
        for name in set(names) - {index.name for index in model._meta.indexes}:
            schema_editor.execute(f"{drop} IF EXISTS {schema_editor.quote_name(name)}")

    def database_backwards(
        self, app_label: str, schema_editor: Any, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        model = to_state.apps.get_model(app_label, self.model_name)
        text = str(schema_editor._create_index_sql(model, fields=[model._meta.get_field(self.name)]))
        create = online_or("CREATE INDEX", "CREATE INDEX CONCURRENTLY", schema_editor)
        schema_editor.execute(text.replace("CREATE INDEX", create, 1), params=None)


class AlterFieldOnPostgreSQL(AlterField):
    """What SQLite keeps as it was: to alter a field Django makes SQLite's table anew, without its triggers."""

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        if schema_editor.connection.vendor == "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
