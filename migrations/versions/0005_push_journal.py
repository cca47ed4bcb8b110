"""The journal of pushes and the delivery engine's limits.

Every event of an enterprise gets a number without gaps, given by the database itself when the transaction commits: a
number that a reader can see is therefore never followed by a smaller one. Secrets are sealed, private networks are
approved one by one, and an endpoint that keeps failing rests.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects.postgresql import CIDR

from landready.errors import BadSettings
from migrations.access import ADMIN, ENTERPRISE, grant, secure, under
from push.vault import Vault

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# At commit, once per transaction: lock the journals of the enterprises concerned, in one order for everybody, and number
# what this transaction wrote. Whatever others committed has its number already. A rolled-back transaction takes none. The
# number goes into the body before anybody can read it; afterwards no role of the application may change the body.
FUNCTION = """
create function number_events() returns trigger language plpgsql security definer set search_path = public as $$
declare asker text := app_role(); enterprises bigint[]; done bigint;
begin
  perform set_config('app.role', 'engine', true);
  select number into done from outbox_event where id = new.id;
  if done is not null then
    perform set_config('app.role', asker, true);
    return null;
  end if;
  select array_agg(distinct enterprise_id order by enterprise_id) into enterprises
  from outbox_event where number is null and type <> 'endpoint.test';
  if enterprises is not null then
    insert into journal (enterprise_id, last_number, acknowledged_number, proven_number)
      select x, 0, 0, 0 from unnest(enterprises) x order by x on conflict do nothing;
    perform 1 from journal where enterprise_id = any (enterprises) order by enterprise_id for update;
    with waiting as (
      select id, row_number() over (partition by enterprise_id order by created_at, ctid) as place
      from outbox_event where number is null and type <> 'endpoint.test'),
    numbered as (
      select e.id, j.last_number + w.place as number,
        convert_to('{"number":' || j.last_number + w.place || case when length(e.body) > 2 then ',' else '' end, 'UTF8')
          || substring(e.body from 2) as body
      from waiting w join outbox_event e on e.id = w.id join journal j on j.enterprise_id = e.enterprise_id)
    update outbox_event e set number = n.number, body = n.body, body_sha256 = encode(sha256(n.body), 'hex')
      from numbered n where e.id = n.id;
    update journal j set last_number = (select max(e.number) from outbox_event e where e.enterprise_id = j.enterprise_id)
      where j.enterprise_id = any (enterprises);
  end if;
  perform set_config('app.role', asker, true);
  return null;
end $$;
create constraint trigger number_events after insert on outbox_event deferrable initially deferred
  for each row when (new.number is null and new.type <> 'endpoint.test') execute function number_events();
"""


def upgrade() -> None:
    op.execute("select set_config('app.role', 'engine', true)")
    _journal()
    _endpoints()
    op.add_column("attempt", sa.Column("sends", sa.SmallInteger(), nullable=True))
    op.execute("update attempt set sends = 1")
    op.alter_column("attempt", "sends", nullable=False)
    op.add_column("delivery", sa.Column("owed_since", sa.DateTime(timezone=True), nullable=True))
    op.execute("update delivery set owed_since = created_at")
    op.alter_column("delivery", "owed_since", nullable=False)
    op.drop_constraint(op.f("ck_delivery_state"), "delivery")
    op.create_check_constraint(
        op.f("ck_delivery_state"), "delivery", "state in ('owed','delivered','dead','pulled')"
    )


def _journal() -> None:
    op.create_table(
        "journal",
        sa.Column("enterprise_id", sa.BigInteger(), nullable=False),
        sa.Column("last_number", sa.BigInteger(), nullable=False),
        sa.Column("acknowledged_number", sa.BigInteger(), nullable=False),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("proven_number", sa.BigInteger(), nullable=False),
        sa.Column("proven_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "0 <= proven_number and proven_number <= acknowledged_number"
            " and acknowledged_number <= last_number",
            name=op.f("ck_journal_order"),
        ),
        sa.ForeignKeyConstraint(
            ["enterprise_id"],
            ["organisation.id"],
            name=op.f("fk_journal_enterprise_id_organisation"),
        ),
        sa.PrimaryKeyConstraint("enterprise_id", name=op.f("pk_journal")),
    )
    op.add_column("outbox_event", sa.Column("number", sa.BigInteger(), nullable=True))
    # What was sent before had no number in its body and keeps its bytes; it has a place in the journal all the same.
    op.execute(
        "update outbox_event e set number = n.number from (select id, row_number() over"
        " (partition by enterprise_id order by created_at, ctid) as number from outbox_event"
        " where type <> 'endpoint.test') n where e.id = n.id"
    )
    op.execute(
        "insert into journal (enterprise_id, last_number, acknowledged_number, proven_number)"
        " select enterprise_id, max(number), 0, 0 from outbox_event where number is not null group by 1"
    )
    op.create_index(
        "uq_outbox_event_number", "outbox_event", ["enterprise_id", "number"], unique=True
    )
    op.create_index(
        "ix_outbox_event_unnumbered",
        "outbox_event",
        ["enterprise_id"],
        postgresql_where=sa.text("number is null"),
    )
    op.execute(FUNCTION)
    secure("journal", ENTERPRISE, "")
    # The numbers are the trigger's; the enterprise says how far it has come.
    grant(
        "select, update (acknowledged_number, acknowledged_at, proven_number, proven_at)", "journal"
    )
    op.execute(f"create policy outbox_event_read on outbox_event for select using ({ENTERPRISE})")


def _endpoints() -> None:
    op.alter_column("endpoint", "secret", type_=sa.Text())
    for column in (
        sa.Column("old_secret", sa.Text(), nullable=True),
        sa.Column("old_secret_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=True),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resting_until", sa.DateTime(timezone=True), nullable=True),
    ):
        op.add_column("endpoint", column)
    op.execute("update endpoint set failures = 0")
    op.alter_column("endpoint", "failures", nullable=False)
    _rewrite_secrets("seal")
    op.create_table(
        "endpoint_network",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("endpoint_id", sa.BigInteger(), nullable=False),
        sa.Column("enterprise_id", sa.BigInteger(), nullable=False),
        sa.Column("network", CIDR(), nullable=False),
        sa.Column("approved_by", sa.BigInteger(), nullable=True),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["endpoint_id"], ["endpoint.id"], name=op.f("fk_endpoint_network_endpoint_id_endpoint")
        ),
        sa.ForeignKeyConstraint(
            ["enterprise_id"],
            ["organisation.id"],
            name=op.f("fk_endpoint_network_enterprise_id_organisation"),
        ),
        sa.ForeignKeyConstraint(
            ["approved_by"],
            ["account.id"],
            name=op.f("fk_endpoint_network_approved_by_account"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_endpoint_network")),
    )
    op.create_index(
        op.f("ix_endpoint_network_endpoint_id"), "endpoint_network", ["endpoint_id"], unique=False
    )
    secure("endpoint_network", ADMIN, ENTERPRISE, under("endpoint", "endpoint_id", "enterprise_id"))
    grant("select, insert, update (revoked_at)", "endpoint_network")


def downgrade() -> None:
    op.execute("select set_config('app.role', 'engine', true)")
    op.execute("update delivery set state = 'delivered' where state = 'pulled'")
    op.drop_constraint(op.f("ck_delivery_state"), "delivery")
    op.create_check_constraint(
        op.f("ck_delivery_state"), "delivery", "state in ('owed','delivered','dead')"
    )
    op.drop_column("delivery", "owed_since")
    op.drop_column("attempt", "sends")
    op.drop_table("endpoint_network")
    _rewrite_secrets("open")
    op.alter_column("endpoint", "secret", type_=sa.String(120))
    for name in ("resting_until", "failing_since", "failures", "old_secret_until", "old_secret"):
        op.drop_column("endpoint", name)
    op.execute("drop policy outbox_event_read on outbox_event")
    op.execute("drop trigger number_events on outbox_event")
    op.execute("drop function number_events()")
    op.drop_index("ix_outbox_event_unnumbered", table_name="outbox_event")
    op.drop_index("uq_outbox_event_number", table_name="outbox_event")
    op.drop_column("outbox_event", "number")
    op.drop_table("journal")


def _rewrite_secrets(way: str) -> None:
    """Seal the secrets that lie there in clear, or open them again on the way back."""
    link = op.get_bind()
    found = link.execute(sa.text("select id, enterprise_id, secret from endpoint")).all()
    if not found:
        return
    key = context.config.attributes.get("secret_key")
    if not key:
        raise BadSettings("LANDREADY_SECRET_KEY is not set: the secrets of endpoints need it")
    vault = Vault(key)
    change = vault.seal if way == "seal" else vault.open
    for endpoint_id, enterprise_id, secret in found:
        link.execute(
            sa.text("update endpoint set secret = :secret where id = :id"),
            {"id": endpoint_id, "secret": change(secret, enterprise_id)},
        )
