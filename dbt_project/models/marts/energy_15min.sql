with

energy as (

    select * from {{ ref('int_quarters_balanced') }}

),

sites as (

    select * from {{ ref('stg_facts__sites') }}

),

money as (

    select
        site_id,
        quarter_start_at,
        sum(amount) filter (where direction = 'import') as cost,
        sum(amount) filter (where direction = 'export') as export_revenue
    from {{ ref('int_quarter_parts_priced') }}
    group by site_id, quarter_start_at

),

joined as (

    select
        energy.*,
        cast(money.cost as decimal(18, 6)) as cost,
        cast(money.export_revenue as decimal(18, 6)) as export_revenue,
        sites.currency
    from energy
    inner join sites on energy.site_id = sites.site_id
    left join money
        on
            energy.site_id = money.site_id
            and energy.quarter_start_at = money.quarter_start_at

),

final as (

    select
        site_id,
        quarter_start_at as interval_start_at,
        {% for channel in var('channels') %}
        {{ channel }}_kwh,
        {% endfor %}
        {{ self_consumed() }} as self_consumed_kwh,
        cost,
        export_revenue,
        currency,
        cast(null as double) as emissions_kg_co2,
        {{ completeness(var('quarter_seconds')) }} as completeness_ratio,
        derived_channels,
        {% for channel in var('channels') %}
        {{ channel }}_covered_seconds,
        {% endfor %}
        local_date,
        hour_start_at,
        hour_seconds
    from joined

)

select * from final
