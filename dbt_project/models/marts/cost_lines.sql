with

parts as (

    select * from {{ ref('int_quarter_parts_priced') }}

),

days as (

    select * from {{ ref('int_days_touched') }}

),

sites as (

    select * from {{ ref('stg_facts__sites') }}

),

prices as (

    select * from {{ ref('stg_facts__tariff_prices') }}

),

by_energy as (

    select
        site_id,
        local_date,
        tariff_id,
        part,
        any_value(direction) as direction,
        {{ sum_kwh('quantity') }} as quantity,
        any_value(quantity_unit) as quantity_unit,
        case when min(unit_price) = max(unit_price) then min(unit_price) end as unit_price,
        cast(sum(amount) as decimal(18, 6)) as amount,
        any_value(currency) as currency
    from parts
    group by site_id, local_date, tariff_id, part

),

by_day as (

    select
        days.site_id,
        days.local_date,
        prices.tariff_id,
        prices.part,
        prices.direction,
        cast(1 as double) as quantity,
        prices.quantity_unit,
        prices.unit_price,
        cast(round(prices.unit_price, 6) as decimal(18, 6)) as amount,
        prices.currency
    from days
    inner join sites on days.site_id = sites.site_id
    inner join prices
        on
            sites.tariff_id = prices.tariff_id
            and days.day_start_at >= prices.valid_from
            and (prices.valid_until is null or days.day_start_at < prices.valid_until)
    where prices.quantity_unit = 'day'

),

final as (

    select * from by_energy
    union all by name
    select * from by_day

)

select * from final
