"""What ``kontract_migrate`` does, for models that a test declares."""

import io
from collections.abc import Mapping
from typing import Any

from django.core.management.base import OutputWrapper

from kontract.context import get_namespace
from kontract.management.migrating import Project, apply, refuse
from kontract.schema import executor
from kontract.schema.declared import from_model
from kontract.schema.lock import Lock
from kontract.schema.planning import Plan, make_plans
from kontract.schema.record import Record, read
from kontract.tables.catalog import locate, resolve


def plan(*models: Any, lock: Lock | None = None, revert: bool = False) -> Plan:
    """Return what brings the current namespace to these models."""
    connection, ns = locate()
    wanted = {model._meta.db_table: from_model(model, connection) for model in models}
    (found,) = make_plans(connection, {get_namespace(): ns}, wanted, lock=lock, creating=[ns], revert=revert)
    return found


def migrate(
    *models: Any, lock: Lock | None = None, revert: bool = False, others: Mapping[str, int] | None = None
) -> str:
    """Bring the current namespace, and ``others``, to these models as kontract_migrate does; return what was said."""
    connection, ns = locate()
    project = Project(
        connection=connection,
        namespaces={**(others or {}), get_namespace(): ns},
        creating=frozenset([ns]),
        wanted={model._meta.db_table: from_model(model, connection) for model in models},
        lock=lock,
        revert=revert,
    )
    plans = project.plans()
    refuse(plans)
    for model in models:
        resolve(connection, ns, model._meta.db_table)
    said = io.StringIO()
    apply(project, plans, OutputWrapper(said))
    return said.getvalue()


def record(table: str) -> Record:
    """Return what the catalog knows of a table in the current namespace."""
    found = read(*locate(), table)
    assert found is not None
    return found


def take_back() -> None:
    """Take back the last run in the current namespace."""
    executor.take_back(*locate(), max(step.run for step in record("things").steps), out=OutputWrapper(io.StringIO()))
