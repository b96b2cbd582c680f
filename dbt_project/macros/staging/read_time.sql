{#- The time that a text says in one format of strptime, else NULL: never an error, never a guess. -#}
{% macro read_time(text, format) %}{{ return(adapter.dispatch('read_time', 'lifestage')(text, format)) }}{% endmacro %}

{% macro default__read_time(text, format) %}try_strptime({{ text }}, '{{ format }}'){% endmacro %}

{#- PostgreSQL reads leniently or fails, so the parts are taken out and checked one by one. -#}
{% macro postgres__read_time(text, format) -%}
    {%- set pieces = time_pieces(format) -%}
    {%- set at = {} -%}
    {%- for part in pieces['parts'] -%}{%- do at.update({part: 'cast(read.parts[' ~ loop.index ~ '] as integer)'}) -%}{%- endfor -%}
    (
        select {{ checked_time(year_of(at), at['m'], at['d'], at.get('H', '0'), at.get('M', '0'), at.get('S', '0')) }}
        from (select regexp_match({{ text }}, '^{{ pieces['pattern'] }}$') as parts) as read
    )
{%- endmacro %}

{#- Patterns of Java read other things than those of strptime, so here too the parts are taken out. -#}
{% macro spark__read_time(text, format) -%}
    {%- set pieces = time_pieces(format) -%}
    {%- set at = {} -%}
    {%- for part in pieces['parts'] -%}
        {%- do at.update({part: "try_cast(regexp_extract(" ~ text ~ ", r'^" ~ pieces['pattern'] ~ "$', " ~ loop.index ~ ") as int)"}) -%}
    {%- endfor -%}
    {#- The second 60 would be the next minute. -#}
    case
        when {{ year_of(at) }} > 0 and {{ at.get('S', '0') }} < 60
            then try_make_timestamp({{ year_of(at) }}, {{ at['m'] }}, {{ at['d'] }}, {{ at.get('H', '0') }}, {{ at.get('M', '0') }}, {{ at.get('S', '0') }})
    end
{%- endmacro %}

{#- A regular expression for what a format of strptime reads, and the letters of its groups in order. -#}
{% macro time_pieces(format) -%}
    {%- set patterns = {
        'Y': '([0-9]{4})', 'y': '([0-9]{2})', 'm': '([0-9]{1,2})', 'd': '([0-9]{1,2})',
        'H': '([0-9]{1,2})', 'M': '([0-9]{1,2})', 'S': '([0-9]{1,2})',
    } -%}
    {%- set parts, pattern = [], [] -%}
    {%- for piece in format.split('%') -%}
        {%- if loop.first -%}
            {%- do pattern.append(modules.re.escape(piece)) -%}
        {%- elif piece[:1] in patterns -%}
            {%- do parts.append(piece[:1]) -%}
            {%- do pattern.append(patterns[piece[:1]] ~ modules.re.escape(piece[1:])) -%}
        {%- else -%}
            {{ exceptions.raise_compiler_error(
                'this engine does not read %' ~ piece[:1] ~ ' of the date format ' ~ format
                ~ ': use %Y, %y, %m, %d, %H, %M and %S, or deliver ISO 8601'
            ) }}
        {%- endif -%}
    {%- endfor -%}
    {{ return({'parts': parts, 'pattern': pattern | join}) }}
{%- endmacro %}

{#- Two digits are a year from 1969 to 2068, as POSIX says. -#}
{% macro year_of(at) -%}
    {{ return(at['Y'] if 'Y' in at else '(' ~ at['y'] ~ ' + case when ' ~ at['y'] ~ ' < 69 then 2000 else 1900 end)') }}
{%- endmacro %}

{#- The time of a day and an hour, or NULL where the calendar has no such day. -#}
{% macro checked_time(year, month, day, hour, minute, second) -%}
case
            when {{ year }} > 0 and {{ month }} between 1 and 12 and {{ hour }} < 24 and {{ minute }} < 60 and {{ second }} < 60
                then case
                    when {{ day }} between 1 and extract(day from make_date({{ year }}, {{ month }}, 1) + interval '1 month - 1 day')
                        then make_timestamp({{ year }}, {{ month }}, {{ day }}, {{ hour }}, {{ minute }}, {{ second }})
                end
        end
{%- endmacro %}
