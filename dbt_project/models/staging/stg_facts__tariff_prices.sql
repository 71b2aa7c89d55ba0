with

source as (

    select * from {{ source('workbench', 'tariff_prices') }}

),

final as (

    select
        tariff_id,
        part,
        direction,
        quantity_unit,
        unit_price,
        currency,
        valid_from,
        valid_until
    from source

)

select * from final
