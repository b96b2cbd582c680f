{#- A cast of a text whose form was checked; it never fails a run. -#}
{% macro checked_cast(text, type) %}{{ return(adapter.dispatch('checked_cast', 'lifestage')(text, type)) }}{% endmacro %}

{% macro default__checked_cast(text, type) %}try_cast({{ text }} as {{ type }}){% endmacro %}

{% macro postgres__checked_cast(text, type) %}cast({{ text }} as {{ type }}){% endmacro %}
