{% macro texts_in_order(text, position) %}{{ return(adapter.dispatch('texts_in_order', 'lifestage')(text, position)) }}{% endmacro %}

{% macro default__texts_in_order(text, position) %}string_agg({{ text }}, '; ' order by {{ position }}){% endmacro %}

{% macro spark__texts_in_order(text, position) %}array_join(transform(array_sort(collect_list(struct({{ position }} as position, {{ text }} as text))), one -> one.text), '; '){% endmacro %}
