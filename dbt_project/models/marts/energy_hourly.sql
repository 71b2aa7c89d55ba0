with

quarters as (

    select * from {{ ref('energy_15min') }}

),

summed as (

    select
        site_id,
        hour_start_at as interval_start_at,
        cast(any_value(hour_seconds) as bigint) as interval_seconds,
        any_value(local_date) as local_date,
        {% for channel in var('channels') %}
        {{ sum_kwh(channel ~ '_kwh') }} as {{ channel }}_kwh,
        {{ sum_seconds(channel ~ '_covered_seconds') }} as {{ channel }}_covered_seconds,
        {% endfor %}
        cast(sum(cost) as decimal(18, 6)) as cost,
        cast(sum(export_revenue) as decimal(18, 6)) as export_revenue,
        any_value(currency) as currency,
        list_sort(list_distinct(flatten(list(derived_channels)))) as derived_channels
    from quarters
    group by site_id, hour_start_at

),

final as (

    select
        site_id,
        interval_start_at,
        interval_seconds,
        {% for channel in var('channels') %}
        {{ channel }}_kwh,
        {% endfor %}
        {{ self_consumed() }} as self_consumed_kwh,
        cost,
        export_revenue,
        currency,
        cast(null as double) as emissions_kg_co2,
        {{ completeness('interval_seconds') }} as completeness_ratio,
        derived_channels,
        local_date
    from summed

)

select * from final
