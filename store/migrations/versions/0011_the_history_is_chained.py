"""the history is chained, originals have their time"""

from alembic import op
import sqlalchemy as sa

import store.schema

revision = '0011'
down_revision = '0010'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('history', sa.Column('stamp', sa.LargeBinary(), nullable=True))
    op.add_column('blob', sa.Column('removed_at', store.schema.Moment(), nullable=True))
    op.create_table('link',
    sa.Column('place', store.schema.Id, autoincrement=False, nullable=False),
    sa.Column('upto', sa.BigInteger(), nullable=False),
    sa.Column('entries', sa.Integer(), nullable=False),
    sa.Column('at', store.schema.Moment(), nullable=False),
    sa.Column('mac', sa.LargeBinary(), nullable=False),
    sa.Column('crown', sa.LargeBinary(), nullable=True),
    sa.PrimaryKeyConstraint('place', name=op.f('pk_link'))
    )
