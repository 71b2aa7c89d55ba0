with

source as (

    select * from {{ source('workbench', 'energy_daily_untouched') }}

)

select * from source
