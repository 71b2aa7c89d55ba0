with

source as (

    select * from {{ source('workbench', 'devices') }}

),

final as (

    select
        device_id,
        site_id,
        is_import,
        role = 'main' as is_main,
        role = 'main' and (kind = 'inverter' or energy_source is not null) as generates,
        role = 'main' and kind = 'battery' as stores
    from source

)

select * from final
