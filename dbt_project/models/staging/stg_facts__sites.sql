with

source as (

    select * from {{ source('workbench', 'sites') }}

),

final as (

    select
        site_id,
        tariff_id,
        currency,
        coalesce(pv_capacity_kw, 0) > 0 as has_pv,
        coalesce(battery_capacity_kwh, 0) > 0 as has_battery
    from source

)

select * from final
