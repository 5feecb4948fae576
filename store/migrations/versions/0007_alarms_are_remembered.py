"""alarms are remembered"""

from alembic import op
import sqlalchemy as sa

import store.schema

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('channel', sa.Column('enrolled_at', store.schema.Moment(), nullable=True))
    op.create_table(
        'alarm',
        sa.Column('key', sa.Text(), nullable=False),
        sa.Column('kind', sa.Text(), nullable=False),
        sa.Column('facts', sa.JSON(), nullable=False),
        sa.Column('since', store.schema.Moment(), nullable=False),
        sa.Column('told_at', store.schema.Moment(), nullable=False),
        sa.PrimaryKeyConstraint('key', name=op.f('pk_alarm')),
    )
