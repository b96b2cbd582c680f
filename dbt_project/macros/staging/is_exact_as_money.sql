{#- Whether every value of a type fits into decimal(18, 4) unchanged. -#}
{% macro is_exact_as_money(type) %}
    {%- if type in ('TINYINT', 'SMALLINT', 'INTEGER', 'INT', 'UTINYINT', 'USMALLINT', 'UINTEGER') -%}
        {{ return(true) }}
    {%- elif type.startswith(('DECIMAL(', 'NUMERIC(')) -%}
        {%- set parts = type.split('(')[1].rstrip(')').split(',') -%}
        {{ return(parts[1] | int <= 4 and parts[0] | int - parts[1] | int <= 14) }}
    {%- endif -%}
    {{ return(false) }}
{% endmacro %}
