with

source as (

    select * from {{ source('workbench', 'measured_channels') }}

),

final as (

    select
        site_id,
        device_id,
        channel,
        first_at,
        last_at
    from source

)

select * from final
