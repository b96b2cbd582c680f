{# Whether a list like a|b|c names a value; an empty list names every value. #}
{% macro is_listed(value, list) %}({{ list }} is null or {{ dbt.position("'|' || coalesce(" ~ value ~ ", '') || '|'", "'|' || " ~ list ~ " || '|'") }} > 0){% endmacro %}
