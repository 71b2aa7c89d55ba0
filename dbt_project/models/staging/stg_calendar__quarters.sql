with

source as (

    select * from {{ source('workbench', 'calendar_quarters') }}

),

final as (

    select
        site_id,
        quarter_start_at,
        hour_start_at,
        hour_seconds,
        local_date,
        local_month,
        day_seconds,
        month_seconds
    from source

)

select * from final
