{# Energies are never negative and ratios lie between 0 and 1. #}
{% test figures_plausible(model, ratios) %}
select *
from {{ model }}
where
    {% for channel in var('channels') %}
    {{ channel }}_kwh < 0 or
    {% endfor %}
    {% for ratio in ratios %}
    {{ ratio }} < 0 or {{ ratio }} > 1 + 1e-9{{ " or" if not loop.last }}
    {% endfor %}
{% endtest %}
