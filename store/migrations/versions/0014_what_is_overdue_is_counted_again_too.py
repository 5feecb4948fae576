"""what is overdue is counted again too, when calendar or limits change"""

from alembic import op
import sqlalchemy as sa

revision = '0014'
down_revision = '0013'
branch_labels = None
depends_on = None

RUNNING = sa.text('next_due_at IS NOT NULL AND NOT withdrawn')


def upgrade() -> None:
    op.drop_index('ix_cases_dated_by', 'cases')
    op.create_index('ix_cases_dated_by', 'cases', ['dated_by'], sqlite_where=RUNNING, postgresql_where=RUNNING)
