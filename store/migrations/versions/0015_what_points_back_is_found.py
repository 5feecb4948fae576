"""which case a reading made, which arrivals have the same bytes, and the few cases of a rare filter are found by an
index
"""

from alembic import op
import sqlalchemy as sa

revision = '0015'
down_revision = '0014'
branch_labels = None
depends_on = None

URGENT = sa.text("urgency IN ('urgent', 'critical')")


def upgrade() -> None:
    op.create_index('ix_cases_reading_id', 'cases', ['reading_id'])
    op.create_index('ix_raw_blob', 'raw', ['blob'])
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
