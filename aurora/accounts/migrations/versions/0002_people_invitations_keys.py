"""people, invitations, keys."""

import sqlalchemy as sa
from alembic import op

import aurora.accounts.models

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.create_table('audit_log',
    sa.Column('audit_id', sa.String(length=36), nullable=False),
    sa.Column('at', aurora.accounts.models.UtcTime(timezone=True), nullable=False),
    sa.Column('user_id', sa.String(length=36), nullable=True),
    sa.Column('action', sa.String(length=48), nullable=False),
    sa.Column('subject_kind', sa.String(length=16), nullable=True),
    sa.Column('subject_id', sa.String(length=64), nullable=True),
    sa.Column('site_id', sa.String(length=64), nullable=True),
    sa.Column('address', sa.String(length=64), nullable=True),
    sa.Column('details', sa.String(length=2048), nullable=True),
    sa.PrimaryKeyConstraint('audit_id')
    )
    with op.batch_alter_table('audit_log', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_audit_log_at'), ['at'], unique=False)
        batch_op.create_index(batch_op.f('ix_audit_log_site_id'), ['site_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_audit_log_user_id'), ['user_id'], unique=False)

    op.create_table('logins',
    sa.Column('login_id', sa.String(length=36), nullable=False),
    sa.Column('user_id', sa.String(length=36), nullable=False),
    sa.Column('kind', sa.String(length=8), nullable=False),
    sa.Column('user_agent', sa.String(length=256), nullable=True),
    sa.Column('address', sa.String(length=64), nullable=True),
    sa.Column('created_at', aurora.accounts.models.UtcTime(timezone=True), nullable=False),
    sa.Column('last_used_at', aurora.accounts.models.UtcTime(timezone=True), nullable=False),
    sa.Column('expires_at', aurora.accounts.models.UtcTime(timezone=True), nullable=False),
    sa.Column('revoked_at', aurora.accounts.models.UtcTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['user_id'], ['users.user_id'], ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('login_id')
    )
    with op.batch_alter_table('logins', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_logins_user_id'), ['user_id'], unique=False)

    op.create_table('one_time_tokens',
    sa.Column('token_hash', sa.String(length=64), nullable=False),
    sa.Column('user_id', sa.String(length=36), nullable=False),
    sa.Column('purpose', sa.String(length=16), nullable=False),
    sa.Column('email', sa.String(length=254), nullable=True),
    sa.Column('created_at', aurora.accounts.models.UtcTime(timezone=True), nullable=False),
    sa.Column('expires_at', aurora.accounts.models.UtcTime(timezone=True), nullable=False),
    sa.Column('used_at', aurora.accounts.models.UtcTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['user_id'], ['users.user_id'], ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('token_hash')
    )
    with op.batch_alter_table('one_time_tokens', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_one_time_tokens_user_id'), ['user_id'], unique=False)

    op.create_table('recommendation_feedback',
    sa.Column('recommendation_id', sa.String(length=64), nullable=False),
    sa.Column('user_id', sa.String(length=36), nullable=False),
    sa.Column('site_id', sa.String(length=64), nullable=False),
    sa.Column('feedback', sa.String(length=16), nullable=False),
    sa.Column('given_at', aurora.accounts.models.UtcTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['users.user_id'], ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('recommendation_id', 'user_id')
    )
    with op.batch_alter_table('recommendation_feedback', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_recommendation_feedback_site_id'), ['site_id'], unique=False)

    op.create_table('invitations',
    sa.Column('invitation_id', sa.String(length=36), nullable=False),
    sa.Column('site_id', sa.String(length=64), nullable=False),
    sa.Column('token_hash', sa.String(length=64), nullable=False),
    sa.Column('email', sa.String(length=254), nullable=True),
    sa.Column('role', sa.String(length=16), nullable=False),
    sa.Column('ends_at', aurora.accounts.models.UtcTime(timezone=True), nullable=True),
    sa.Column('invited_by', sa.String(length=36), nullable=False),
    sa.Column('created_at', aurora.accounts.models.UtcTime(timezone=True), nullable=False),
    sa.Column('expires_at', aurora.accounts.models.UtcTime(timezone=True), nullable=False),
    sa.Column('accepted_at', aurora.accounts.models.UtcTime(timezone=True), nullable=True),
    sa.Column('accepted_by', sa.String(length=36), nullable=True),
    sa.Column('revoked_at', aurora.accounts.models.UtcTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['site_id'], ['sites.site_id'], ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('invitation_id'),
    sa.UniqueConstraint('token_hash')
    )
    with op.batch_alter_table('invitations', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_invitations_site_id'), ['site_id'], unique=False)

    op.create_table('login_secrets',
    sa.Column('secret_hash', sa.String(length=64), nullable=False),
    sa.Column('login_id', sa.String(length=36), nullable=False),
    sa.Column('issued_at', aurora.accounts.models.UtcTime(timezone=True), nullable=False),
    sa.Column('used_at', aurora.accounts.models.UtcTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['login_id'], ['logins.login_id'], ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('secret_hash')
    )
    with op.batch_alter_table('login_secrets', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_login_secrets_login_id'), ['login_id'], unique=False)

    with op.batch_alter_table('web_sessions', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_web_sessions_user_id'))

    op.drop_table('web_sessions')
    with op.batch_alter_table('device_keys', schema=None) as batch_op:
        batch_op.add_column(sa.Column('site_id', sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column('name', sa.String(length=128), nullable=True))
        batch_op.alter_column('device_id',
               existing_type=sa.VARCHAR(length=64),
               nullable=True)
        batch_op.create_index(batch_op.f('ix_device_keys_site_id'), ['site_id'], unique=False)
        batch_op.create_foreign_key('fk_device_keys_site_id_sites', 'sites', ['site_id'], ['site_id'])

    with op.batch_alter_table('users', schema=None) as batch_op:
        batch_op.add_column(sa.Column('full_name', sa.String(length=128), nullable=True))
        batch_op.add_column(sa.Column('language', sa.String(length=8), nullable=True))
        batch_op.add_column(sa.Column('email_confirmed_at', aurora.accounts.models.UtcTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('deleted_at', aurora.accounts.models.UtcTime(timezone=True), nullable=True))



def downgrade() -> None:
    """Take it back."""
    # Not as a batch: SQLite would make the table anew, and dropping the old one would take every membership with it.
    for column in ('deleted_at', 'email_confirmed_at', 'language', 'full_name'):
        op.drop_column('users', column)

    op.execute("delete from device_keys where device_id is null")
    with op.batch_alter_table('device_keys', schema=None) as batch_op:
        batch_op.drop_constraint('fk_device_keys_site_id_sites', type_='foreignkey')
        batch_op.drop_index(batch_op.f('ix_device_keys_site_id'))
        batch_op.alter_column('device_id',
               existing_type=sa.String(length=64),
               nullable=False)
        batch_op.drop_column('name')
        batch_op.drop_column('site_id')

    op.create_table('web_sessions',
    sa.Column('session_hash', sa.String(length=64), nullable=False),
    sa.Column('user_id', sa.String(length=36), nullable=False),
    sa.Column('created_at', aurora.accounts.models.UtcTime(timezone=True), nullable=False),
    sa.Column('expires_at', aurora.accounts.models.UtcTime(timezone=True), nullable=False),
    sa.Column('revoked_at', aurora.accounts.models.UtcTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['user_id'], ['users.user_id'], ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('session_hash')
    )
    with op.batch_alter_table('web_sessions', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_web_sessions_user_id'), ['user_id'], unique=False)

    with op.batch_alter_table('login_secrets', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_login_secrets_login_id'))

    op.drop_table('login_secrets')
    with op.batch_alter_table('invitations', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_invitations_site_id'))

    op.drop_table('invitations')
    with op.batch_alter_table('recommendation_feedback', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_recommendation_feedback_site_id'))

    op.drop_table('recommendation_feedback')
    with op.batch_alter_table('one_time_tokens', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_one_time_tokens_user_id'))

    op.drop_table('one_time_tokens')
    with op.batch_alter_table('logins', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_logins_user_id'))

    op.drop_table('logins')
    with op.batch_alter_table('audit_log', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_audit_log_user_id'))
        batch_op.drop_index(batch_op.f('ix_audit_log_site_id'))
        batch_op.drop_index(batch_op.f('ix_audit_log_at'))

    op.drop_table('audit_log')
