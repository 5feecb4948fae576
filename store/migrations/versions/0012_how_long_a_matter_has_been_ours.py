"""how long a matter has been ours"""

from alembic import op
import sqlalchemy as sa

import store.schema

revision = '0012'
down_revision = '0011'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('event', sa.Column('taken_in_at', store.schema.Moment(), nullable=True))
