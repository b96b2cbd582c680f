{#- Whether the segment and the stage of a state are among those that an audience lists. -#}
{% macro has_labels_of(audience, state) -%}
    {{ is_listed(state ~ '.segment', audience ~ '.segments') }}
    and {{ is_listed(state ~ '.lifecycle_stage', audience ~ '.stages') }}
{%- endmacro %}
