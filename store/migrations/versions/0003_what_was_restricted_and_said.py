"""a revision says whether it was restricted; the receiver's words are sealed"""

from alembic import op
import sqlalchemy as sa


revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('attempt', sa.Column('sealed_answer', sa.LargeBinary(), nullable=True))
    op.add_column('revision', sa.Column('restricted', sa.Boolean(), server_default=sa.false(), nullable=False))
    op.execute(  # every revision was published with an event that says it
        'UPDATE revision SET restricted = EXISTS (SELECT 1 FROM event WHERE event.case_id = revision.case_id '
        'AND event.revision = revision.revision AND event.restricted)'
    )
    op.execute('UPDATE attempt SET detail = NULL')  # these four repeated the receiver's words in the open
    op.execute('UPDATE delivery SET error = NULL')
    op.execute("UPDATE ledger SET reason = NULL WHERE lane LIKE 'push:%'")
    op.execute('UPDATE target SET error = NULL')
