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


{# Sums that are the same in whatever order rows come, to the last bit: of decimals. Doubles added by several threads differ in their last digits
from rebuild to rebuild. 15 decimals hold what a double says of energies up to some kWh; what no decimal holds is added as it is. None is
negative. #}
{% macro sum_kwh(energy, over='') %}
if(
    sum({{ energy }}) {{ over }} < 1e18,
    cast(sum(try_cast({{ energy }} as decimal(38, 15))) {{ over }} as double),
    sum({{ energy }}) {{ over }}
)
{%- endmacro %}


{# Of seconds to the microsecond, of which a quarter hour has no more than 900. #}
{% macro sum_seconds(seconds) %}
cast(sum(cast({{ seconds }} as decimal(18, 6))) as double)
{%- endmacro %}


{# Where the longest span begins that a quarter hour was measured over, the first of several as long: whichever came first would give other
totals after a rebuild. Asked of coarse ones alone, since the others stand for themselves. #}
{% macro longest_start() %}
arg_max(span_start_at, (span_seconds, -epoch_us(span_start_at))) filter (where span_seconds >= {{ var('coarse_seconds') }})
{%- endmacro %}
