{# Least share of an interval that readings cover, over the channels that are expected at all; null covered seconds are not expected. #}
{% macro completeness(seconds) %}
least({% for channel in var('channels') %}{{ channel }}_covered_seconds{{ ", " if not loop.last }}{% endfor %}) / {{ seconds }}
{%- endmacro %}


{# greatest() passes over nulls, so what is unknown is kept unknown by a case. #}
{% macro self_consumed() %}
case
    when production_kwh is not null and grid_export_kwh is not null then greatest(production_kwh - grid_export_kwh, 0)
end
{%- endmacro %}


{% macro self_sufficiency_ratio() %}
case when consumption_kwh > 0 and grid_import_kwh is not null then greatest(1 - grid_import_kwh / consumption_kwh, 0) end
{%- endmacro %}


{% macro self_consumption_ratio() %}
({{ self_consumed() }}) / nullif(production_kwh, 0)
{%- endmacro %}
