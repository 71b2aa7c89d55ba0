with

source as (

    select * from {{ source('workbench', 'silver_energy') }}

),

final as (

    select
        site_id,
        device_id,
        channel,
        interval_start_at as quarter_start_at,
        energy_kwh,
        covered_seconds,
        span_start_at,
        span_seconds
    from source

)

select * from final
