"""Files of an answer are its enterprise's, its office's and their supervisor's, also once everybody sees the plot.

Revision ID: 0016
Revises: 0015
"""

from alembic import op

from migrations.access import OFFICE, SUPERVISED_OFFICE, seen

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _readers(
        "exists (select 1 from answer x where x.id = attachment.answer_id"
        f" and ({OFFICE} or {SUPERVISED_OFFICE}))"
    )


def downgrade() -> None:
    answer = seen("answer", "attachment.answer_id")
    _readers(f"(select app_role()) in ('office','supervisor') and {answer}")


def _readers(who: str) -> None:
    op.execute("drop policy attachment_read on attachment")
    op.execute(f"create policy attachment_read on attachment for select using ({who})")
