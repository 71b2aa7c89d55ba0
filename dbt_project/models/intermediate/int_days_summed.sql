{# Energy, coverage, peak and base load of each touched day. #}
with

days as (

    select * from {{ ref('int_days_touched') }}

),

quarters as (

    select * from {{ ref('int_quarters_balanced') }}

),

hourly_means as (

    select
        site_id,
        local_date,
        {{ sum_kwh('consumption_kwh') }} * 3600.0 / any_value(hour_seconds) as mean_kw
    from quarters
    group by site_id, local_date, hour_start_at
    having count(consumption_kwh) * {{ var('quarter_seconds') }} = any_value(hour_seconds)

),

base_loads as (

    select
        site_id,
        local_date,
        quantile_cont(mean_kw, 0.05) as base_load_kw
    from hourly_means
    group by site_id, local_date

),

summed as (

    select
        site_id,
        local_date,
        {% for channel in var('channels') %}
        {{ sum_kwh(channel ~ '_kwh') }} as {{ channel }}_kwh,
        {{ sum_seconds(channel ~ '_covered_seconds') }} as {{ channel }}_covered_seconds,
        {% endfor %}
        max(grid_import_kwh) * 4 as peak_kw,
        arg_max(quarter_start_at, (grid_import_kwh, -epoch(quarter_start_at)))
        filter (where grid_import_kwh is not null) as peak_at,
        list_sort(list_distinct(flatten(list(derived_channels)))) as derived_channels
    from quarters
    group by site_id, local_date

),

final as (

    select
        days.site_id,
        days.local_date,
        days.local_month,
        days.day_seconds,
        days.month_seconds,
        days.day_start_at,
        {% for channel in var('channels') %}
        summed.{{ channel }}_kwh,
        summed.{{ channel }}_covered_seconds,
        {% endfor %}
        summed.peak_kw,
        summed.peak_at,
        base_loads.base_load_kw,
        coalesce(summed.derived_channels, []) as derived_channels
    from days
    left join summed on days.site_id = summed.site_id and days.local_date = summed.local_date
    left join base_loads on days.site_id = base_loads.site_id and days.local_date = base_loads.local_date

)

select * from final
