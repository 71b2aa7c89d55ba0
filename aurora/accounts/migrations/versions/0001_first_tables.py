"""first tables."""

import sqlalchemy as sa
from alembic import op

import aurora.accounts.models

revision = '0001'
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    
    op.create_table('identifiers',
    sa.Column('identifier', sa.String(length=64), nullable=False),
    sa.Column('kind', sa.String(length=16), nullable=False),
    sa.PrimaryKeyConstraint('identifier')
    )
    op.create_table('leases',
    sa.Column('name', sa.String(length=64), nullable=False),
    sa.Column('holder', sa.String(length=64), nullable=False),
    sa.Column('host', sa.String(length=256), nullable=False),
    sa.Column('process_id', sa.Integer(), nullable=False),
    sa.Column('process_started_at', sa.Float(), nullable=False),
    sa.Column('acquired_at', aurora.accounts.models.UtcTime(timezone=True), nullable=False),
    sa.Column('renewed_at', aurora.accounts.models.UtcTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('name')
    )
    op.create_table('loads',
    sa.Column('load_id', sa.String(length=64), nullable=False),
    sa.Column('site_id', sa.String(length=64), nullable=False),
    sa.Column('device_id', sa.String(length=64), nullable=False),
    sa.Column('file_name', sa.String(length=256), nullable=False),
    sa.Column('file_hash', sa.String(length=64), nullable=False),
    sa.Column('mapping', sa.String(length=4096), nullable=False),
    sa.Column('readings_read', sa.BigInteger(), nullable=False),
    sa.Column('readings_new', sa.BigInteger(), nullable=False),
    sa.Column('readings_known', sa.BigInteger(), nullable=False),
    sa.Column('readings_rejected', sa.BigInteger(), nullable=False),
    sa.Column('first_at', aurora.accounts.models.UtcTime(timezone=True), nullable=True),
    sa.Column('last_at', aurora.accounts.models.UtcTime(timezone=True), nullable=True),
    sa.Column('loaded_at', aurora.accounts.models.UtcTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('load_id')
    )
    with op.batch_alter_table('loads', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_loads_site_id'), ['site_id'], unique=False)

    op.create_table('tariffs',
    sa.Column('tariff_id', sa.String(length=64), nullable=False),
    sa.Column('name', sa.String(length=128), nullable=False),
    sa.Column('currency', sa.String(length=3), nullable=False),
    sa.PrimaryKeyConstraint('tariff_id')
    )
    op.create_table('users',
    sa.Column('user_id', sa.String(length=36), nullable=False),
    sa.Column('username', sa.String(length=64), nullable=False),
    sa.Column('email', sa.String(length=254), nullable=True),
    sa.Column('password_hash', sa.String(length=256), nullable=False),
    sa.Column('role', sa.String(length=16), nullable=False),
    sa.Column('is_disabled', sa.Boolean(), nullable=False),
    sa.Column('created_at', aurora.accounts.models.UtcTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('user_id'),
    sa.UniqueConstraint('email'),
    sa.UniqueConstraint('username')
    )
    op.create_table('sites',
    sa.Column('site_id', sa.String(length=64), nullable=False),
    sa.Column('name', sa.String(length=128), nullable=False),
    sa.Column('time_zone', sa.String(length=64), nullable=False),
    sa.Column('latitude', sa.Float(), nullable=False),
    sa.Column('longitude', sa.Float(), nullable=False),
    sa.Column('country', sa.String(length=2), nullable=True),
    sa.Column('currency', sa.String(length=3), nullable=True),
    sa.Column('floor_area_m2', sa.Float(), nullable=True),
    sa.Column('occupants', sa.Integer(), nullable=True),
    sa.Column('heating', sa.String(length=32), nullable=True),
    sa.Column('appliances', sa.String(length=512), nullable=True),
    sa.Column('pv_capacity_kw', sa.Float(), nullable=True),
    sa.Column('pv_tilt_degrees', sa.Float(), nullable=True),
    sa.Column('pv_azimuth_degrees', sa.Float(), nullable=True),
    sa.Column('battery_capacity_kwh', sa.Float(), nullable=True),
    sa.Column('battery_power_kw', sa.Float(), nullable=True),
    sa.Column('fuse_a', sa.Float(), nullable=True),
    sa.Column('grid_limit_kw', sa.Float(), nullable=True),
    sa.Column('price_zone', sa.String(length=32), nullable=True),
    sa.Column('carbon_zone', sa.String(length=32), nullable=True),
    sa.Column('tariff_id', sa.String(length=64), nullable=True),
    sa.Column('weather_station_id', sa.String(length=64), nullable=True),
    sa.Column('created_at', aurora.accounts.models.UtcTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['site_id'], ['identifiers.identifier'], ),
    sa.ForeignKeyConstraint(['tariff_id'], ['tariffs.tariff_id'], ),
    sa.PrimaryKeyConstraint('site_id')
    )
    op.create_table('tariff_prices',
    sa.Column('tariff_id', sa.String(length=64), nullable=False),
    sa.Column('part', sa.String(length=64), nullable=False),
    sa.Column('valid_from', aurora.accounts.models.UtcTime(timezone=True), nullable=False),
    sa.Column('valid_until', aurora.accounts.models.UtcTime(timezone=True), nullable=True),
    sa.Column('direction', sa.String(length=8), nullable=False),
    sa.Column('quantity_unit', sa.String(length=8), nullable=False),
    sa.Column('unit_price', sa.Numeric(precision=18, scale=9), nullable=False),
    sa.ForeignKeyConstraint(['tariff_id'], ['tariffs.tariff_id'], ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('tariff_id', 'part', 'valid_from')
    )
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

    op.create_table('devices',
    sa.Column('device_id', sa.String(length=64), nullable=False),
    sa.Column('site_id', sa.String(length=64), nullable=False),
    sa.Column('name', sa.String(length=128), nullable=False),
    sa.Column('kind', sa.String(length=16), nullable=False),
    sa.Column('role', sa.String(length=8), nullable=False),
    sa.Column('energy_source', sa.String(length=8), nullable=True),
    sa.Column('decoder', sa.String(length=32), nullable=True),
    sa.Column('topic', sa.String(length=256), nullable=True),
    sa.Column('interval_seconds', sa.Integer(), nullable=True),
    sa.Column('max_gap_seconds', sa.Integer(), nullable=True),
    sa.Column('is_import', sa.Boolean(), nullable=False),
    sa.Column('retired_at', aurora.accounts.models.UtcTime(timezone=True), nullable=True),
    sa.Column('created_at', aurora.accounts.models.UtcTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['device_id'], ['identifiers.identifier'], ),
    sa.ForeignKeyConstraint(['site_id'], ['sites.site_id'], ),
    sa.PrimaryKeyConstraint('device_id')
    )
    with op.batch_alter_table('devices', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_devices_site_id'), ['site_id'], unique=False)

    op.create_table('memberships',
    sa.Column('site_id', sa.String(length=64), nullable=False),
    sa.Column('user_id', sa.String(length=36), nullable=False),
    sa.Column('role', sa.String(length=16), nullable=False),
    sa.Column('ends_at', aurora.accounts.models.UtcTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['site_id'], ['sites.site_id'], ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['user_id'], ['users.user_id'], ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('site_id', 'user_id')
    )
    with op.batch_alter_table('memberships', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_memberships_user_id'), ['user_id'], unique=False)

    op.create_table('device_keys',
    sa.Column('key_id', sa.String(length=36), nullable=False),
    sa.Column('device_id', sa.String(length=64), nullable=False),
    sa.Column('key_hash', sa.String(length=64), nullable=False),
    sa.Column('created_at', aurora.accounts.models.UtcTime(timezone=True), nullable=False),
    sa.Column('revoked_at', aurora.accounts.models.UtcTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['device_id'], ['devices.device_id'], ),
    sa.PrimaryKeyConstraint('key_id'),
    sa.UniqueConstraint('key_hash')
    )
    with op.batch_alter_table('device_keys', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_device_keys_device_id'), ['device_id'], unique=False)

    


def downgrade() -> None:
    """Take it back."""
    
    with op.batch_alter_table('device_keys', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_device_keys_device_id'))

    op.drop_table('device_keys')
    with op.batch_alter_table('memberships', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_memberships_user_id'))

    op.drop_table('memberships')
    with op.batch_alter_table('devices', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_devices_site_id'))

    op.drop_table('devices')
    with op.batch_alter_table('web_sessions', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_web_sessions_user_id'))

    op.drop_table('web_sessions')
    op.drop_table('tariff_prices')
    op.drop_table('sites')
    op.drop_table('users')
    op.drop_table('tariffs')
    with op.batch_alter_table('loads', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_loads_site_id'))

    op.drop_table('loads')
    op.drop_table('leases')
    op.drop_table('identifiers')
    
