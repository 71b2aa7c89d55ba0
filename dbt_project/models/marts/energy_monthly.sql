with

touched as (

    select * from {{ ref('energy_daily') }}

),

untouched as (

    select * from {{ ref('stg_gold__energy_daily_untouched') }}

),

days as (

    select * from touched
    union all by name
    select * from untouched

),

summed as (

    select
        site_id,
        local_month,
        {% for channel in var('channels') %}
        {{ sum_kwh(channel ~ '_kwh') }} as {{ channel }}_kwh,
        {{ sum_seconds(channel ~ '_covered_seconds') }} as {{ channel }}_covered_seconds,
        {% endfor %}
        cast(sum(cost) as decimal(18, 6)) as cost,
        cast(sum(export_revenue) as decimal(18, 6)) as export_revenue,
        any_value(currency) as currency,
        max(peak_kw) as peak_kw,
        arg_max(peak_at, (peak_kw, -epoch(peak_at))) filter (where peak_kw is not null) as peak_at,
        {{ sum_kwh('base_load_kw') }} / count(base_load_kw) as base_load_kw,
        any_value(month_seconds) as month_seconds,
        coalesce(list_sort(list_distinct(flatten(list(derived_channels)))), []) as derived_channels
    from days
    group by site_id, local_month

),

final as (

    select
        site_id,
        local_month,
        {% for channel in var('channels') %}
        {{ channel }}_kwh,
        {% endfor %}
        {{ self_consumed() }} as self_consumed_kwh,
        cost,
        export_revenue,
        currency,
        cast(null as double) as emissions_kg_co2,
        coalesce({{ completeness('month_seconds') }}, 0) as completeness_ratio,
        derived_channels,
        peak_kw,
        peak_at,
        base_load_kw,
        {{ self_sufficiency_ratio() }} as self_sufficiency_ratio,
        {{ self_consumption_ratio() }} as self_consumption_ratio,
        {% for channel in var('channels') %}
        {{ channel }}_covered_seconds,
        {% endfor %}
        cast(month_seconds as bigint) as month_seconds
    from summed

)

select * from final
