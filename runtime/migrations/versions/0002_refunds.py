"""The consumers' wallets: accounts, transfers, entitlements, credits, payouts, all in the schema that neither the
tills' side nor the officers can read.
"""

from alembic import op

revision = "0002"
down_revision = "0001"

WALLETS = """
CREATE TABLE private.accounts (
  consumer bigint PRIMARY KEY REFERENCES private.consumers,
  provisional_mongo bigint NOT NULL DEFAULT 0 CHECK (provisional_mongo >= 0),
  available_mongo bigint NOT NULL DEFAULT 0 CHECK (available_mongo >= 0),
  reserved_mongo bigint NOT NULL DEFAULT 0 CHECK (reserved_mongo >= 0),
  paid_mongo bigint NOT NULL DEFAULT 0 CHECK (paid_mongo >= 0),
  debt_mongo bigint NOT NULL DEFAULT 0 CHECK (debt_mongo >= 0),
  unreported_mongo bigint NOT NULL DEFAULT 0 CHECK (unreported_mongo >= provisional_mongo)
) WITH (fillfactor = 50);
COMMENT ON COLUMN private.accounts.unreported_mongo IS 'The credits of the claims that are provisional at present.';

CREATE TABLE private.transfers (
  cause text NOT NULL CHECK (cause IN ('credit', 'correction', 'report', 'void', 'lapse', 'revival', 'prize',
                                       'reservation', 'settlement', 'return')),
  reference bigint NOT NULL,
  step integer NOT NULL CHECK (step >= 0),
  line smallint NOT NULL CHECK (line >= 0),
  consumer bigint NOT NULL,
  debit text NOT NULL,
  credit text NOT NULL,
  amount_mongo bigint NOT NULL CHECK (amount_mongo > 0),
  posted_at timestamptz NOT NULL,
  PRIMARY KEY (reference, cause, step, line),
  CHECK ((debit, credit) IN (
    ('refunds', 'provisional'), ('refunds', 'available'), ('refunds', 'debt'),
    ('prizes', 'available'), ('prizes', 'debt'),
    ('provisional', 'available'), ('provisional', 'debt'), ('provisional', 'reversals'),
    ('available', 'reversals'), ('debt', 'reversals'),
    ('available', 'reserved'), ('reserved', 'paid'), ('paid', 'available'), ('paid', 'debt')))
);
CREATE INDEX transfers_by_consumer ON private.transfers (consumer);
COMMENT ON COLUMN private.transfers.reference IS
  'The claim that a refund or prize is for, or the payout. With cause, step and line it is a key: nothing comes twice.';
COMMENT ON COLUMN private.transfers.step IS
  'Which posting of the claim (0 its initial credit), the tier of a prize, else 0.';

CREATE TABLE private.entitlements (
  consumer bigint NOT NULL,
  month integer NOT NULL,
  claims integer NOT NULL CHECK (claims >= 0),
  vat_mongo bigint NOT NULL CHECK (vat_mongo >= 0),
  amount_mongo bigint NOT NULL CHECK (amount_mongo >= 0),
  PRIMARY KEY (consumer, month)
) WITH (fillfactor = 50);
COMMENT ON TABLE private.entitlements IS
  'What the law owes a person for the receipts of a month, running; every posting is a delta to it.';

CREATE TABLE private.credits (
  claim bigint PRIMARY KEY,
  consumer bigint NOT NULL,
  month integer NOT NULL,
  vat_mongo bigint NOT NULL CHECK (vat_mongo >= 0),
  amount_mongo bigint NOT NULL CHECK (amount_mongo >= 0),
  state text NOT NULL CHECK (state IN ('provisional', 'final', 'lapsed', 'void')),
  step integer NOT NULL CHECK (step >= 0),
  CHECK (state IN ('provisional', 'final') OR amount_mongo = 0)
) WITH (fillfactor = 70);
COMMENT ON TABLE private.credits IS 'What is posted for a claim at present. step numbers its latest posting.';

CREATE TABLE private.payouts (
  payout bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  consumer bigint NOT NULL REFERENCES private.consumers,
  amount_mongo bigint NOT NULL CHECK (amount_mongo > 0),
  bank_account text NOT NULL CHECK (length(bank_account) <= 34),
  state text NOT NULL CHECK (state IN ('reserved', 'paid', 'returned')),
  reserved_at timestamptz NOT NULL,
  answered_at timestamptz,
  reason text CHECK (length(reason) <= 255),
  CHECK ((state = 'reserved') = (answered_at IS NULL))
);
CREATE INDEX payouts_by_consumer ON private.payouts (consumer);
CREATE INDEX payouts_unanswered ON private.payouts (payout) WHERE state = 'reserved';

CREATE FUNCTION private.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'a posted transfer never changes';
END $$;
CREATE TRIGGER transfers_never_change BEFORE UPDATE OR DELETE ON private.transfers
  FOR EACH ROW EXECUTE FUNCTION private.refuse_change();
CREATE TRIGGER transfers_never_vanish BEFORE TRUNCATE ON private.transfers
  FOR EACH STATEMENT EXECUTE FUNCTION private.refuse_change();
"""

GRANTS = """
GRANT SELECT, INSERT, UPDATE ON private.accounts, private.entitlements, private.credits TO barimt_claims;
GRANT SELECT, INSERT ON private.transfers TO barimt_claims;
GRANT SELECT ON private.payouts TO barimt_claims;

GRANT SELECT, INSERT, UPDATE ON private.accounts, private.payouts TO barimt_jobs;
GRANT SELECT, INSERT ON private.transfers TO barimt_jobs;
GRANT SELECT ON private.entitlements, private.credits TO barimt_jobs;

-- Rows are taken with FOR UPDATE SKIP LOCKED, which needs the right to update a column; jobs look whether any are left.
GRANT UPDATE (created_at) ON pos.outbox TO barimt_claims;
GRANT SELECT ON pos.outbox TO barimt_jobs;
"""


def upgrade() -> None:
    """Make the tables, the trigger that keeps transfers, and the grants."""
    for text in (WALLETS, GRANTS):
        op.get_bind().exec_driver_sql(text)


def downgrade() -> None:
    """Remove everything that `upgrade` made."""
    op.get_bind().exec_driver_sql("""
REVOKE UPDATE (created_at) ON pos.outbox FROM barimt_claims;
REVOKE SELECT ON pos.outbox FROM barimt_jobs;
DROP TABLE private.payouts, private.credits, private.entitlements, private.transfers, private.accounts;
DROP FUNCTION private.refuse_change();
""")
