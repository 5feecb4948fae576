"""clocks are kept: reminders that were told, reports of OAs, and when a case must be looked at"""

from datetime import UTC, datetime, timedelta

from alembic import op
import sqlalchemy as sa

import store.schema

revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None

DUE = sa.text('next_reminder_at IS NOT NULL')
LONGEST = timedelta(days=400)
MICROSECOND = timedelta(microseconds=1)


def upgrade() -> None:
    op.add_column('cases', sa.Column('next_reminder_at', store.schema.Moment(), nullable=True))
    op.add_column('cases', sa.Column('dated_by', sa.Text(), nullable=True))
    for column in ('next_reminder_at', 'dated_by'):
        op.create_index(f'ix_cases_{column}', 'cases', [column], sqlite_where=DUE, postgresql_where=DUE)
    op.create_table(
        'reminder',
        sa.Column('case_id', sa.Text(), nullable=False),
        sa.Column('rule', sa.Text(), nullable=False),
        sa.Column('stage', sa.Text(), nullable=False),
        sa.Column('due_at', store.schema.Moment(), nullable=False),
        sa.Column('told_at', store.schema.Moment(), nullable=False),
        sa.ForeignKeyConstraint(['case_id'], ['cases.case_id'], name=op.f('fk_reminder_case_id')),
        sa.PrimaryKeyConstraint('case_id', 'rule', 'stage', 'due_at', name=op.f('pk_reminder')),
    )
    op.create_table(
        'report',
        sa.Column('id', store.schema.Id, nullable=False),
        sa.Column('case_id', sa.Text(), nullable=False),
        sa.Column('target', sa.Text(), nullable=False),
        sa.Column('webhook_id', sa.Text(), nullable=False),
        sa.Column('type', sa.Text(), nullable=False),
        sa.Column('at', store.schema.Moment(), nullable=False),
        sa.Column('until', store.schema.Moment(), nullable=True),
        sa.Column('received_at', store.schema.Moment(), nullable=False),
        sa.Column('sealed', sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(['case_id'], ['cases.case_id'], name=op.f('fk_report_case_id')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_report')),
        sa.UniqueConstraint('target', 'webhook_id', name=op.f('uq_report_target_webhook_id')),
    )
    op.create_index(op.f('ix_report_case_id'), 'report', ['case_id'])
    op.create_table(
        'duty',
        sa.Column('name', sa.Text(), nullable=False),
        sa.Column('holder', sa.Text(), nullable=False),
        sa.Column('had_until', store.schema.Moment(), nullable=False),
        sa.PrimaryKeyConstraint('name', name=op.f('pk_duty')),
    )
    _have_looked_at()


def _have_looked_at() -> None:
    """The daemon looks at what may have a date to come; what is over by then it notes without telling anybody."""
    since = (datetime.now(UTC) - LONGEST - store.schema.EPOCH) // MICROSECOND
    op.execute(
        sa.text(
            'UPDATE cases SET next_reminder_at = 0'
            ' WHERE next_due_at IS NOT NULL AND NOT withdrawn AND received_at >= :since'
        ).bindparams(since=since)
    )
