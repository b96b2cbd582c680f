{#- Whether a text holds a control character or one that changes the direction of writing. -#}
{% macro has_control_character(text) %}{{ return(adapter.dispatch('has_control_character', 'lifestage')(text)) }}{% endmacro %}

{% macro default__has_control_character(text) -%}
    regexp_matches({{ text }}, '[\x00-\x1f\x7f-\x{9f}\x{61c}\x{200e}\x{200f}\x{202a}-\x{202e}\x{2066}-\x{2069}]')
{%- endmacro %}

{% macro postgres__has_control_character(text) -%}
    ({{ text }} ~ '[\u0001-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]')
{%- endmacro %}

{% macro spark__has_control_character(text) -%}
    ({{ text }} rlike r'[\x00-\x1f\x7f-\x{9f}\x{61c}\x{200e}\x{200f}\x{202a}-\x{202e}\x{2066}-\x{2069}]')
{%- endmacro %}
