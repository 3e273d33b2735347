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


# An entry draws on a grant of its own customer, and leaves there what follows from the entry before; never
# more than was granted, so that no more comes back than was used.
_WRONG_LEFT = """
    NOT COALESCE(
      (SELECT NEW.left_after <= granted.credits
         AND CASE WHEN NEW.draw = 1 THEN granted.credits
           ELSE (SELECT left_after FROM credit_entries
                 WHERE grant_id = NEW.grant_id AND draw = NEW.draw - 1)
           END + NEW.credits = NEW.left_after
       FROM credit_entries AS granted
       WHERE granted.id = NEW.grant_id AND granted.grant_id IS NULL AND granted.credits > 0
         AND granted.customer_id = NEW.customer_id), 1 = 0)
"""
# A cover covers a usage of its own customer that no grant covered, and no more of it than was used.
_WRONG_COVER = """
    NOT COALESCE(
      (SELECT used.credits <= NEW.credits
         + COALESCE((SELECT SUM(credits) FROM credit_entries WHERE covers = NEW.covers), 0)
       FROM credit_entries AS used
       WHERE used.id = NEW.covers AND used.kind = 'usage' AND used.grant_id IS NULL
         AND used.customer_id = NEW.customer_id), 1 = 0)
"""
_LEFT_WORDS = "left_after does not follow"
_COVER_WORDS = "more is covered than was used"
_CREDIT_RULES = (
    ("balance", "grant_id", _WRONG_LEFT, _LEFT_WORDS),
    ("covered", "covers", _WRONG_COVER, _COVER_WORDS),
)


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
    statements += [
        f"""CREATE TRIGGER inv_credit_{name} BEFORE INSERT ON credit_entries
        WHEN NEW.{column} IS NOT NULL AND {wrong}
        BEGIN SELECT RAISE(ABORT, 'inv_credit: {words}'); END"""
        for name, column, wrong, words in _CREDIT_RULES
    ]
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
              RAISE EXCEPTION 'inv_credit: {_LEFT_WORDS}';
            END IF;
          END IF;
          IF NEW.covers IS NOT NULL THEN
            IF {_WRONG_COVER} THEN
              RAISE EXCEPTION 'inv_credit: {_COVER_WORDS}';
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
