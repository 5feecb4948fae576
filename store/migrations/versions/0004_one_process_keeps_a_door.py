"""one process keeps a door"""

from alembic import op
import sqlalchemy as sa

import store.schema

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('channel', sa.Column('kept_until', store.schema.Moment(), nullable=True))
    op.add_column('channel', sa.Column('fence', sa.Integer(), server_default=sa.text('0'), nullable=False))
