"""An answer is of the plot as it is, and what an organisation was asked as stays: its kind, its city and its utilities.

Answers, approvals and clocks rest on these three. Who takes over a network registers anew and is asked anew.

Revision ID: 0017
Revises: 0016
"""

from alembic import op

from migrations.access import ENGINE, ENTERPRISE

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_ASKED = """exists (select 1 from push_plot x where x.push_id = answer.push_id
  and x.plot_id = answer.plot_id and x.utility = answer.utility and x.enterprise_id = answer.enterprise_id)"""
_AS_IT_IS = "exists (select 1 from plot x where x.id = answer.plot_id and x.revision = answer.plot_revision)"
_CHANGED = "name, name_en, credit_code, annex_items, phone, told_of_listings"


def upgrade() -> None:
    _write(f"{_ASKED} and {_AS_IT_IS}")
    op.execute("revoke update on organisation from landready_app")
    op.execute(f"grant update ({_CHANGED}) on organisation to landready_app")


def downgrade() -> None:
    _write(_ASKED)
    op.execute("grant update on organisation to landready_app")


def _write(fits: str) -> None:
    op.execute(
        f"alter policy answer_write on answer with check ({ENGINE} or (({ENTERPRISE}) and {fits}))"
    )
