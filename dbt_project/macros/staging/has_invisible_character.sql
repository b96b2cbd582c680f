{#- Whether a text holds a space that is none, or a character without width. -#}
{% macro has_invisible_character(text) %}{{ return(adapter.dispatch('has_invisible_character', 'lifestage')(text)) }}{% endmacro %}

{% macro default__has_invisible_character(text) -%}
    regexp_matches({{ text }}, '[\x{a0}\x{ad}\x{1680}\x{180e}\x{2000}-\x{200d}\x{2028}\x{2029}\x{202f}\x{205f}-\x{2064}\x{3000}\x{feff}\x{fffd}]')
{%- endmacro %}

{% macro postgres__has_invisible_character(text) -%}
    ({{ text }} ~ '[\u00a0\u00ad\u1680\u180e\u2000-\u200d\u2028\u2029\u202f\u205f-\u2064\u3000\ufeff\ufffd]')
{%- endmacro %}

{% macro spark__has_invisible_character(text) -%}
    ({{ text }} rlike r'[\x{a0}\x{ad}\x{1680}\x{180e}\x{2000}-\x{200d}\x{2028}\x{2029}\x{202f}\x{205f}-\x{2064}\x{3000}\x{feff}\x{fffd}]')
{%- endmacro %}
