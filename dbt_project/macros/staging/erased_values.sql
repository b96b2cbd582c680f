{#- The values of a column that belong to people who are erased, each looked at once: there are far
    fewer people than rows. A merge is between two accounts; a suppression says what its value is. -#}
{% macro erased_values(input, column) %}
    {%- set columns = [column, 'type'] if column == 'value' else [column] -%}
    {%- if column == 'value' -%}
        {%- set kind, value = 'lower(' ~ clean_text('type') ~ ')', person_key_value() -%}
    {%- else -%}
        {%- set kind = "'" ~ column | replace('merged_into', 'customer_id') ~ "'" -%}
        {%- set value = clean_id('cast(' ~ column ~ ' as ' ~ dbt.type_string() ~ ')') -%}
    {%- endif -%}
    select people.{{ columns | join(', people.') }}
    from (
        select
            {{ columns | join(', ') }},
            {{ kind }} as erased_kind,
            {{ value }} as erased_value
        from (select distinct {{ columns | join(', ') }} from {{ raw_relation(input['name']) }}) as given
    ) as people
    cross join erasure.erasure_salt as salts
    inner join erasure.erasure_requests as requests
        on
            people.erased_kind = requests.kind
            and {{ sha256_hex("salts.salt || people.erased_kind || ':' || people.erased_value") }} = requests.digest
{% endmacro %}
