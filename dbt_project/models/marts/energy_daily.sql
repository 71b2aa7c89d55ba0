with

days as (

    select * from {{ ref('int_days_summed') }}

),

sites as (

    select * from {{ ref('stg_facts__sites') }}

),

money as (

    select
        site_id,
        local_date,
        cast(sum(amount) filter (where direction in ('import', 'fixed')) as decimal(18, 6)) as cost,
        cast(sum(amount) filter (where direction = 'export') as decimal(18, 6)) as export_revenue
    from {{ ref('cost_lines') }}
    group by site_id, local_date

),

joined as (

    select
        days.*,
        money.cost,
        money.export_revenue,
        sites.currency
    from days
    inner join sites on days.site_id = sites.site_id
    left join money on days.site_id = money.site_id and days.local_date = money.local_date

),

final as (

    select
        site_id,
        local_date,
        local_month,
        {% for channel in var('channels') %}
        {{ channel }}_kwh,
        {% endfor %}
        {{ self_consumed() }} as self_consumed_kwh,
        cost,
        export_revenue,
        currency,
        cast(null as double) as emissions_kg_co2,
        coalesce({{ completeness('day_seconds') }}, 0) as completeness_ratio,
        derived_channels,
        peak_kw,
        peak_at,
        base_load_kw,
        {{ self_sufficiency_ratio() }} as self_sufficiency_ratio,
        {{ self_consumption_ratio() }} as self_consumption_ratio,
        {% for channel in var('channels') %}
        {{ channel }}_covered_seconds,
        {% endfor %}
        cast(day_seconds as bigint) as day_seconds,
        cast(month_seconds as bigint) as month_seconds
    from joined

)

select * from final
