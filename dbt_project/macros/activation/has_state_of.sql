{#- Whether a state fulfils the conditions of an audience, other than those on silence, which passes by itself. -#}
{% macro has_state_of(audience, state) -%}
    {{ is_listed(state ~ '.segment', audience ~ '.segments') }}
    and {{ is_listed(state ~ '.lifecycle_stage', audience ~ '.stages') }}
    and {{ state }}.orders >= coalesce({{ audience }}.min_orders, 0)
    and ({{ audience }}.max_orders is null or {{ state }}.orders <= {{ audience }}.max_orders)
    and ({{ audience }}.min_monetary is null or {{ state }}.monetary >= {{ audience }}.min_monetary)
{%- endmacro %}
