{#- The rows of an input without those of people who are erased. The loader takes them out of its own
    tables; of a table of the warehouse they are left out here, where `orchestration.erasure` has noted
    whom. Nothing is compared as long as nobody has asked to be forgotten. -#}
{% macro raw_rows(input) %}
    {%- set relation = raw_relation(input['name']) -%}
    {%- set names = {
        'customer_merges': ['customer_id', 'merged_into'], 'refunds': ['order_id'],
        'suppressions': ['value'], 'campaigns': [], 'erasures': [],
    }.get(input['name'], ['customer_id']) -%}
    {%- if not names or not has_erased_people(input) -%}{{ return(relation) }}{%- endif -%}
(
        select given.*
        from (select * from {{ relation }}) as given
        where
            {%- for column in names %}
            {{ 'and ' if not loop.first }}not exists (
                select 1
                from ({{ erased_values(input, column) }}) as erased
                where
                    erased.{{ column }} = given.{{ column }}
                    {%- if input['name'] == 'suppressions' %}
                    and erased.type = given.type
                    {%- endif %}
            )
            {%- endfor %}
    ) as kept
{% endmacro %}
