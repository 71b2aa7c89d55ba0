{# The six channels of a site, quarter by quarter: measured, ruled out by the facts (0), derived from the balance, or unknown (null). #}
with

channels as (

    select * from {{ ref('int_channels_expected') }}

),

quarters as (

    select * from {{ ref('stg_calendar__quarters') }}

),

sites as (

    select
        sites.site_id,
        sites.has_pv or coalesce(bool_or(devices.generates), false) as has_generation,
        sites.has_battery or coalesce(bool_or(devices.stores), false) as has_storage
    from {{ ref('stg_facts__sites') }} as sites
    left join {{ ref('stg_facts__devices') }} as devices on sites.site_id = devices.site_id
    group by sites.site_id, sites.has_pv, sites.has_battery

),

pivoted as (

    select
        site_id,
        quarter_start_at,
        {% for channel in var('channels') %}
        max(case when channel = '{{ channel }}' then energy_kwh end) as {{ channel }},
        max(case when channel = '{{ channel }}' then covered_seconds end) as {{ channel }}_covered_seconds,
        {% endfor %}
        sum(energy_kwh) as measured_kwh,
        max(span_seconds) as longest_seconds,
        {{ longest_start() }} as longest_start_at,
        max(case when channel = 'production' then 1 else 0 end) = 1 as measures_production,
        max(case when channel in ('battery_charge', 'battery_discharge') then 1 else 0 end) = 1 as measures_storage,
        max(case when channel = 'grid_export' then 1 else 0 end) = 1 as measures_export
    from channels
    group by site_id, quarter_start_at

),

known as (

    select
        pivoted.site_id,
        pivoted.quarter_start_at,
        quarters.hour_start_at,
        quarters.hour_seconds,
        quarters.local_date,
        coalesce(pivoted.longest_seconds >= {{ var('coarse_seconds') }}, false) as is_coarse,
        if(is_coarse, pivoted.longest_start_at, pivoted.quarter_start_at) as block_start_at,
        pivoted.consumption as consumption_measured,
        coalesce(pivoted.production, if(sites.has_generation or pivoted.measures_production, null, 0)) as production_known,
        coalesce(
            pivoted.grid_export,
            if(
                sites.has_generation or pivoted.measures_production
                or sites.has_storage or pivoted.measures_storage
                or pivoted.measures_export,
                null, 0
            )
        ) as grid_export_known,
        coalesce(pivoted.battery_charge, if(sites.has_storage or pivoted.measures_storage, null, 0)) as battery_charge_known,
        coalesce(pivoted.battery_discharge, if(sites.has_storage or pivoted.measures_storage, null, 0)) as battery_discharge_known,
        {% for channel in var('channels') %}
        pivoted.{{ channel }}_covered_seconds,
        {% endfor %}
        pivoted.grid_import as grid_import_measured
    from pivoted
    inner join sites on pivoted.site_id = sites.site_id
    inner join quarters
        on
            pivoted.site_id = quarters.site_id
            and pivoted.quarter_start_at = quarters.quarter_start_at
    where pivoted.measured_kwh is not null

),

counted as (

    select
        *,
        (consumption_measured is null)::int + (production_known is null)::int + (grid_import_measured is null)::int
        + (grid_export_known is null)::int + (battery_charge_known is null)::int
        + (battery_discharge_known is null)::int as unknowns,
        coalesce(production_known, 0) + coalesce(grid_import_measured, 0) + coalesce(battery_discharge_known, 0) as supplied,
        coalesce(consumption_measured, 0) + coalesce(grid_export_known, 0) + coalesce(battery_charge_known, 0) as used
    from known

),

{# Channels that cover different parts of a quarter say nothing of their difference; a minute apart is where live samples end. #}
evened as (

    select
        *,
        greatest(
            {% for channel in var('channels') %}
            nullif({{ channel }}_covered_seconds, 0){{ "," if not loop.last }}
            {% endfor %}
        )
        - least(
            {% for channel in var('channels') %}
            nullif({{ channel }}_covered_seconds, 0){{ "," if not loop.last }}
            {% endfor %}
        ) <= 60 as is_even,
        is_even and unknowns = 1 as is_solvable,
        is_even and unknowns = 2 and grid_import_measured is null and grid_export_known is null as is_split
    from counted

),

{# The finest interval that all channels have in common is the longest span that any of them was measured over; a day's end cuts it.
Quarters of it of which different channels are known stand for themselves. #}
coarse as (

    select
        *,
        {{ sum_kwh('supplied', 'over block') }} as block_supplied,
        {{ sum_kwh('used', 'over block') }} as block_used,
        {{ sum_kwh('greatest(supplied - used, 0)', 'over block') }} as surplus_weight,
        {{ sum_kwh('greatest(used - supplied, 0)', 'over block') }} as deficit_weight,
        count(*) over block as block_quarters
    from evened
    where is_coarse
    window block as (
        partition by
            site_id, local_date, block_start_at, unknowns, is_even,
            consumption_measured is null, production_known is null, grid_import_measured is null,
            grid_export_known is null, battery_charge_known is null, battery_discharge_known is null
    )

),

blocked as (

    select * from coarse
    union all by name
    select
        *,
        supplied as block_supplied,
        used as block_used,
        greatest(supplied - used, 0) as surplus_weight,
        greatest(used - supplied, 0) as deficit_weight,
        1 as block_quarters
    from evened
    where not is_coarse

),

{# What is left over in the whole block, and what it lacks, shared among its quarters as each of them has it by itself. #}
solved as (

    select
        *,
        greatest(block_supplied - block_used, 0)
        * if(surplus_weight > 0, greatest(supplied - used, 0) / surplus_weight, 1.0 / block_quarters) as surplus,
        greatest(block_used - block_supplied, 0)
        * if(deficit_weight > 0, greatest(used - supplied, 0) / deficit_weight, 1.0 / block_quarters) as deficit
    from blocked

),

balanced as (

    select
        *,
        case
            when consumption_measured is not null then consumption_measured
            when is_solvable then surplus
        end as consumption_kwh,
        case
            when production_known is not null then production_known
            when is_solvable then deficit
        end as production_kwh,
        case
            when grid_import_measured is not null then grid_import_measured
            when is_solvable or is_split then deficit
        end as grid_import_kwh,
        case
            when grid_export_known is not null then grid_export_known
            when is_solvable or is_split then surplus
        end as grid_export_kwh,
        case
            when battery_charge_known is not null then battery_charge_known
            when is_solvable then surplus
        end as battery_charge_kwh,
        case
            when battery_discharge_known is not null then battery_discharge_known
            when is_solvable then deficit
        end as battery_discharge_kwh,
        list_filter(
            [
                if(consumption_measured is null and is_solvable, 'consumption', null),
                if(production_known is null and is_solvable, 'production', null),
                if(grid_import_measured is null and (is_solvable or is_split), 'grid_import', null),
                if(grid_export_known is null and (is_solvable or is_split), 'grid_export', null),
                if(battery_charge_known is null and is_solvable, 'battery_charge', null),
                if(battery_discharge_known is null and is_solvable, 'battery_discharge', null)
            ],
            lambda name: name is not null
        ) as derived_channels
    from solved

),

final as (

    select
        site_id,
        quarter_start_at,
        hour_start_at,
        hour_seconds,
        local_date,
        {% for channel in var('channels') %}
        {{ channel }}_kwh,
        {{ channel }}_covered_seconds,
        {% endfor %}
        block_start_at,
        derived_channels
    from balanced

)

select * from final
