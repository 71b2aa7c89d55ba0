{# Seconds covered by readings of every channel that a site is expected to measure, quarter by quarter. Imported files fill what live
devices left out and are expected no longer than they last; greatest() passes over the one that is not there. #}
with

quarters as (

    select * from {{ ref('stg_calendar__quarters') }}

),

energy as (

    select * from {{ ref('stg_silver__energy') }}

),

spans as (

    select
        measured.site_id,
        measured.device_id,
        measured.channel,
        measured.first_at,
        measured.last_at,
        devices.is_import
    from {{ ref('stg_facts__measured_channels') }} as measured
    inner join {{ ref('stg_facts__devices') }} as devices
        on measured.device_id = devices.device_id
    where devices.is_main

),

site_spans as (

    select
        site_id,
        max(last_at) as site_last_at
    from spans
    group by site_id

),

channel_starts as (

    select
        spans.site_id,
        spans.channel,
        min(spans.first_at) as channel_first_at,
        any_value(site_spans.site_last_at) as site_last_at
    from spans
    inner join site_spans on spans.site_id = site_spans.site_id
    where not spans.is_import
    group by spans.site_id, spans.channel

),

device_quarters as (

    select
        quarters.site_id,
        spans.channel,
        spans.is_import,
        quarters.quarter_start_at,
        energy.energy_kwh,
        coalesce(energy.covered_seconds, 0) as covered_seconds,
        energy.span_start_at,
        energy.span_seconds
    from quarters
    inner join spans
        on
            quarters.site_id = spans.site_id
            and quarters.quarter_start_at >= spans.first_at
            and quarters.quarter_start_at < spans.last_at
    left join energy
        on
            spans.device_id = energy.device_id
            and spans.channel = energy.channel
            and quarters.quarter_start_at = energy.quarter_start_at

),

measured as (

    select
        site_id,
        channel,
        quarter_start_at,
        if(count(energy_kwh) > 2, {{ sum_kwh('energy_kwh') }}, sum(energy_kwh)) as energy_kwh,
        greatest(
            min(covered_seconds) filter (where not is_import),
            max(covered_seconds) filter (where is_import)
        ) as covered_seconds,
        {{ longest_start() }} as span_start_at,
        max(span_seconds) as span_seconds
    from device_quarters
    group by site_id, channel, quarter_start_at

),

unattended as (

    select
        quarters.site_id,
        channel_starts.channel,
        quarters.quarter_start_at,
        cast(null as double) as energy_kwh,
        cast(0 as double) as covered_seconds,
        cast(null as timestamptz) as span_start_at,
        cast(null as bigint) as span_seconds
    from quarters
    inner join channel_starts
        on
            quarters.site_id = channel_starts.site_id
            and quarters.quarter_start_at >= channel_starts.channel_first_at
            and quarters.quarter_start_at < channel_starts.site_last_at
    anti join measured
        on
            quarters.site_id = measured.site_id
            and channel_starts.channel = measured.channel
            and quarters.quarter_start_at = measured.quarter_start_at

),

final as (

    select * from measured
    union all
    select * from unattended

)

select * from final
