{#- The time that a text of the form of ISO 8601 says, else NULL; `type` is that of a time with or without zone. -#}
{% macro read_iso_time(text, type) %}{{ return(adapter.dispatch('read_iso_time', 'lifestage')(text, type)) }}{% endmacro %}

{% macro default__read_iso_time(text, type) %}try_cast({{ text }} as {{ type }}){% endmacro %}

{#- What is cast has to be a day of the calendar. Digits beyond a microsecond are cut off, as elsewhere. -#}
{% macro postgres__read_iso_time(text, type) -%}
case
        when {{ matches(text, '^(?!0000)[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])([T ][0-9]{2}:[0-5][0-9](:[0-5][0-9]([^0-9]|$)|[^:0-9]|$)|$)') }}
            then case
                when cast(substr({{ text }}, 9, 2) as integer) <= extract(
                    day from cast(substr({{ text }}, 1, 7) || '-01' as date) + interval '1 month - 1 day'
                )
                    then cast(regexp_replace({{ text }}, '([.][0-9]{6})[0-9]+', '\1') as {{ type }})
            end
    end
{%- endmacro %}

{#- The UTC time that a text with Z or an offset says, else NULL. -#}
{% macro read_iso_instant(text) %}{{ return(adapter.dispatch('read_iso_instant', 'lifestage')(text)) }}{% endmacro %}

{#- No engine reads every offset after a blank. -#}
{% macro default__read_iso_instant(text) -%}
    {{ read_iso_time("regexp_replace(" ~ text ~ ", ' ([Z+-])', '\\1')", 'timestamp with time zone') }} at time zone 'UTC'
{%- endmacro %}

{#- The session is in UTC, so its timestamps are; a zone is read after seconds only. -#}
{% macro spark__read_iso_instant(text) -%}
    try_cast(regexp_replace(regexp_replace({{ text }}, ' ([Z+-])', '$1'), '^(.{16})([Z+-])', '$1:00$2') as timestamp)
{%- endmacro %}
