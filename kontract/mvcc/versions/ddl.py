"""The two tables themselves."""

from typing import Final

TABLES_DDL: Final = """\
CREATE TABLE trxs (
  txid         bigint GENERATED ALWAYS AS IDENTITY,
  ns           int NOT NULL DEFAULT 0,
  sid          text,
  owner        text NOT NULL DEFAULT '',
  label        text,
  status       smallint NOT NULL,
  snapshot     bigint,
  started_at   timestamptz,
  committed_at timestamptz,
  expires_at   timestamptz,
  changes      jsonb,
  PRIMARY KEY (ns, txid)
);
CREATE TABLE storage (
  ns            int NOT NULL DEFAULT 0,
  ptr           int NOT NULL,
  id            text NOT NULL,
  _txid         bigint NOT NULL,
  _deleted_txid bigint,
  _owner        text NOT NULL DEFAULT '',
  _order        bigint,
  _schema       int NOT NULL DEFAULT 1,
  data          jsonb NOT NULL
) WITH (fillfactor = 85);
CREATE UNIQUE INDEX storage_live ON storage (ns, ptr, id) WHERE _deleted_txid IS NULL;
CREATE INDEX storage_order ON storage (ns, ptr, _order) WHERE _deleted_txid IS NULL AND _order IS NOT NULL;
CREATE INDEX storage_history ON storage (ns, ptr, id, _deleted_txid) WHERE _deleted_txid IS NOT NULL;
"""

COLUMNS: Final = {  # what adopts a table that somebody else created
    "trxs": {
        *("txid", "ns", "sid", "owner", "label", "status", "snapshot"),
        *("started_at", "committed_at", "expires_at", "changes"),
    },
    "storage": {"ns", "ptr", "id", "_txid", "_deleted_txid", "_owner", "_order", "_schema", "data"},
}

DROP_DDL: Final = "DROP TABLE storage;\nDROP TABLE trxs;\n"

EXISTING_COLUMNS: Final = """
SELECT c.relname, a.attname
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.oid IN (to_regclass('storage'), to_regclass('trxs'))
"""


def grants(role: str, schema: str = "public") -> str:
    """Return the GRANT lines that the application's role needs; both names already quoted as identifiers."""
    return (
        f"GRANT USAGE ON SCHEMA {schema} TO {role};\n"
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.storage, {schema}.trxs TO {role};\n"
    )
