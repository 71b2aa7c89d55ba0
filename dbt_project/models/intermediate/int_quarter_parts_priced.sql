{#
    Money of each contract part, quarter by quarter. Amounts are differences of the rounded running total of the day, so that the quarters of
    a day add up to the rounded day exactly. Rounding twice keeps the result apart from noise in the last bit of a float.
#}
with

energy as (

    select * from {{ ref('int_quarters_balanced') }}

),

sites as (

    select * from {{ ref('stg_facts__sites') }}

),

prices as (

    select * from {{ ref('stg_facts__tariff_prices') }}

),

priced as (

    select
        energy.site_id,
        energy.local_date,
        energy.quarter_start_at,
        prices.tariff_id,
        prices.part,
        prices.direction,
        prices.quantity_unit,
        prices.unit_price,
        prices.currency,
        if(prices.direction = 'import', energy.grid_import_kwh, energy.grid_export_kwh) as quantity
    from energy
    inner join sites on energy.site_id = sites.site_id
    inner join prices
        on
            sites.tariff_id = prices.tariff_id
            and energy.quarter_start_at >= prices.valid_from
            and (prices.valid_until is null or energy.quarter_start_at < prices.valid_until)
    where
        prices.quantity_unit = 'kWh'
        and if(prices.direction = 'import', energy.grid_import_kwh, energy.grid_export_kwh) is not null

),

running as (

    select
        *,
        try_cast(
            round(round(sum(quantity * unit_price) over (
                partition by site_id, local_date, tariff_id, part
                order by quarter_start_at
                rows between unbounded preceding and current row
            ), 9), 6) as decimal(18, 6)
        ) as amount_so_far
    from priced

),

final as (

    select
        * exclude (amount_so_far),
        cast(
            amount_so_far - lag(amount_so_far, 1, cast(0 as decimal(18, 6))) over (
                partition by site_id, local_date, tariff_id, part
                order by quarter_start_at
            ) as decimal(18, 6)
        ) as amount
    from running

)

select * from final
