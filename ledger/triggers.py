"""What the database itself refuses, beyond what a CHECK can say: the same rules in both dialects.

Append-only tables (I12) refuse UPDATE and DELETE. The intents that hold a claim on a charge's money
never add up to more than was captured (I4). What is left of a grant of credits follows from the entry
before; that it is never below nothing is a CHECK.
"""

from sqlalchemy import Connection

from ledger.claim_tables import credit_decisions
from ledger.credit_tables import credit_entries
from ledger.states import MONEY_HELD
from ledger.tables import audit, decisions, seals

#: Rows of these tables are never changed and never deleted (invariant I12).
APPEND_ONLY = (decisions, seals, audit, credit_entries, credit_decisions)
_HELD = ", ".join(f"'{state.value}'" for state in sorted(MONEY_HELD))

_OVERDRAWN = f"""
    COALESCE((SELECT SUM(amount_minor) FROM refund_intents
              WHERE charge_id = NEW.charge_id AND id <> NEW.id AND state IN ({_HELD})), 0)
    + NEW.amount_minor
    > COALESCE((SELECT captured_minor FROM charges WHERE charge_id = NEW.charge_id), 0)
"""  # noqa: S608 - made of this module's own constants


_WRONG_LEFT = """
    NOT COALESCE(
      CASE WHEN NEW.draw = 1
        THEN (SELECT credits FROM credit_entries WHERE id = NEW.grant_id AND grant_id IS NULL)
        ELSE (SELECT left_after FROM credit_entries
              WHERE grant_id = NEW.grant_id AND draw = NEW.draw - 1)
      END + NEW.credits = NEW.left_after, 1 = 0)
"""


def trigger_statements(dialect: str) -> list[str]:
    """The DDL, in order, that creates every trigger in `dialect` (sqlite or postgresql)."""
    return _sqlite() if dialect == "sqlite" else _postgresql()


def create_triggers(connection: Connection) -> None:
    """Create every trigger in the connection's dialect."""
    for statement in trigger_statements(connection.dialect.name):
        connection.exec_driver_sql(statement)


def _sqlite() -> list[str]:
    statements = [
        f"""CREATE TRIGGER inv_i12_{table.name}_{verb.lower()} BEFORE {verb} ON {table.name}
        BEGIN SELECT RAISE(ABORT, 'inv_i12: {table.name} is append-only'); END"""
        for table in APPEND_ONLY
        for verb in ("UPDATE", "DELETE")
    ]
    statements += [
        f"""CREATE TRIGGER inv_i4_intent_{name} BEFORE {verb} ON refund_intents
        WHEN NEW.state IN ({_HELD}) AND {_OVERDRAWN}
        BEGIN SELECT RAISE(ABORT, 'inv_i4: refunds would exceed what was captured'); END"""
        for name, verb in (("insert", "INSERT"), ("update", "UPDATE OF state, amount_minor"))
    ]
    statements.append(
        f"""CREATE TRIGGER inv_credit_balance BEFORE INSERT ON credit_entries
        WHEN NEW.grant_id IS NOT NULL AND {_WRONG_LEFT}
        BEGIN SELECT RAISE(ABORT, 'inv_credit: left_after does not follow'); END"""
    )
    return statements


def _postgresql() -> list[str]:
    statements = [
        """CREATE FUNCTION inv_i12_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'inv_i12: %% is append-only', TG_TABLE_NAME; END $$""",
        f"""CREATE FUNCTION inv_i4_captured() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF NEW.state IN ({_HELD}) THEN
            PERFORM 1 FROM charges WHERE charge_id = NEW.charge_id FOR UPDATE;
            IF {_OVERDRAWN} THEN
              RAISE EXCEPTION 'inv_i4: refunds would exceed what was captured';
            END IF;
          END IF;
          RETURN NEW;
        END $$""",
        f"""CREATE FUNCTION inv_credit_balance() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF NEW.grant_id IS NOT NULL THEN
            IF {_WRONG_LEFT} THEN
              RAISE EXCEPTION 'inv_credit: left_after does not follow';
            END IF;
          END IF;
          RETURN NEW;
        END $$""",
        """CREATE TRIGGER inv_credit_balance BEFORE INSERT ON credit_entries
        FOR EACH ROW EXECUTE FUNCTION inv_credit_balance()""",
        """CREATE TRIGGER inv_i4_intent BEFORE INSERT OR UPDATE OF state, amount_minor
        ON refund_intents FOR EACH ROW EXECUTE FUNCTION inv_i4_captured()""",
    ]
    statements += [
        f"""CREATE TRIGGER inv_i12_{table.name} BEFORE UPDATE OR DELETE ON {table.name}
        FOR EACH ROW EXECUTE FUNCTION inv_i12_append_only()"""
        for table in APPEND_ONLY
    ]
    return statements
