"""which case a reading made, which arrivals have the same bytes, and the few cases of a rare filter are found by an
index
"""

from alembic import op
import sqlalchemy as sa

revision = '0015'
down_revision = '0014'
branch_labels = None
depends_on = None

RUNNING = sa.text('next_due_at IS NOT NULL AND NOT withdrawn')
URGENT = sa.text("urgency IN ('urgent', 'critical')")


def upgrade() -> None:
    if op.get_context().dialect.name == 'postgresql':  # who works beside it waits for all of it, not amid it for more
        op.execute('LOCK TABLE cases, raw IN ACCESS EXCLUSIVE MODE')
    op.create_index('ix_cases_reading_id', 'cases', ['reading_id'])
    op.create_index('ix_raw_blob', 'raw', ['blob'])
    op.drop_index('ix_cases_next_due_at', 'cases')
    op.create_index('ix_cases_next_due_at', 'cases', ['next_due_at'], sqlite_where=RUNNING, postgresql_where=RUNNING)
    for column in ('restricted', 'withdrawn'):
        op.create_index(
            f'ix_cases_{column}',
            'cases',
            ['received_at', 'case_id'],
            sqlite_where=sa.text(f'{column} = 1'),
            postgresql_where=sa.text(column),
        )
    op.create_index(
        'ix_cases_urgent', 'cases', ['received_at', 'case_id'], sqlite_where=URGENT, postgresql_where=URGENT
    )
