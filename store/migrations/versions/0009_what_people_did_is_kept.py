"""what people paused, corrected, typed and laid aside is kept"""

from alembic import op
import sqlalchemy as sa

import store.schema

revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None

BY_PEOPLE = sa.text("actor <> 'xinqiao'")


def upgrade() -> None:
    op.add_column('channel', sa.Column('paused_by', sa.Text(), nullable=True))
    op.add_column('target', sa.Column('paused_by', sa.Text(), nullable=True))
    op.add_column('correction', sa.Column('undone_by', sa.Text(), nullable=True))
    op.add_column('correction', sa.Column('undone_at', store.schema.Moment(), nullable=True))
    op.add_column('reading', sa.Column('typed_by', sa.Text(), nullable=True))
    op.add_column('raw', sa.Column('closed_by', sa.Text(), nullable=True))
    op.add_column('raw', sa.Column('sealed_note', sa.LargeBinary(), nullable=True))
    for column in ('actor', 'kind'):
        op.create_index(
            f'ix_history_{column}', 'history', [column, 'id'], sqlite_where=BY_PEOPLE, postgresql_where=BY_PEOPLE
        )
