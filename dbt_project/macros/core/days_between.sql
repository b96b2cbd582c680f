{% macro days_between(earlier, later) %}{{ return(adapter.dispatch('days_between', 'lifestage')(earlier, later)) }}{% endmacro %}

{% macro default__days_between(earlier, later) %}({{ later }} - {{ earlier }}){% endmacro %}

{% macro spark__days_between(earlier, later) %}datediff({{ later }}, {{ earlier }}){% endmacro %}
