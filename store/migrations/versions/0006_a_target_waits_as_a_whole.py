"""a target waits as a whole, and keeps to its rate"""

from alembic import op
import sqlalchemy as sa

import store.schema

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('target', sa.Column('retry_at', store.schema.Moment(), nullable=True))
    op.add_column('target', sa.Column('failures', sa.Integer(), server_default=sa.text('0'), nullable=False))
    op.add_column('target', sa.Column('free_at', store.schema.Moment(), nullable=True))
    # Until now a target that had failed was tried again event by event.
    op.execute("UPDATE target SET retry_at = 0 WHERE state = 'unavailable'")
    op.create_index('ix_cases_updated', 'cases', ['updated_at', 'case_id'])
