{#
    Where a channel was derived and is above zero, what comes in equals what goes out, over the finest interval that all channels have in
    common. A derived channel of zero may stand for a contradiction between meters, which is a finding and not an error.
#}
{% test balance_closes(model) %}
select
    site_id,
    local_date,
    block_start_at
from {{ model }}
group by site_id, local_date, block_start_at, derived_channels
having
    abs(
        sum(consumption_kwh) + sum(grid_export_kwh) + sum(battery_charge_kwh)
        - sum(production_kwh) - sum(grid_import_kwh) - sum(battery_discharge_kwh)
    ) > 1e-6 * count(*)
    and (
        {% for channel in var('channels') %}
        (list_contains(derived_channels, '{{ channel }}') and sum({{ channel }}_kwh) > 0){{ " or" if not loop.last }}
        {% endfor %}
    )
{% endtest %}
