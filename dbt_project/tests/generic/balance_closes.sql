{#
    Where a channel was derived and is above zero, what comes in equals what goes out. A derived channel of zero may stand for a contradiction
    between meters, which is a finding and not an error.
#}
{% test balance_closes(model) %}
select *
from {{ model }}
where
    abs(
        consumption_kwh + grid_export_kwh + battery_charge_kwh
        - production_kwh - grid_import_kwh - battery_discharge_kwh
    ) > 1e-6
    and (
        {% for channel in var('channels') %}
        (list_contains(derived_channels, '{{ channel }}') and {{ channel }}_kwh > 0){{ " or" if not loop.last }}
        {% endfor %}
    )
{% endtest %}
