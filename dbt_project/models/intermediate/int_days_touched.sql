{# Site-days that get a row: those between a site's first and last reading, silent ones included. #}
with

quarters as (

    select * from {{ ref('stg_calendar__quarters') }}

),

spans as (

    select
        measured.site_id,
        min(measured.first_at) as site_first_at,
        max(measured.last_at) as site_last_at
    from {{ ref('stg_facts__measured_channels') }} as measured
    inner join {{ ref('stg_facts__devices') }} as devices
        on measured.device_id = devices.device_id
    where devices.is_main
    group by measured.site_id

),

final as (

    select
        quarters.site_id,
        quarters.local_date,
        any_value(quarters.local_month) as local_month,
        any_value(quarters.day_seconds) as day_seconds,
        any_value(quarters.month_seconds) as month_seconds,
        min(quarters.quarter_start_at) as day_start_at
    from quarters
    inner join spans on quarters.site_id = spans.site_id
    group by quarters.site_id, quarters.local_date
    having
        bool_or(
            quarters.quarter_start_at >= spans.site_first_at
            and quarters.quarter_start_at < spans.site_last_at
        )

)

select * from final
