{% macro hash_share(text) %}{{ return(adapter.dispatch('hash_share', 'lifestage')(text)) }}{% endmacro %}

{% macro default__hash_share(text) %}(cast('0x' || substr(md5({{ text }}), 1, 8) as bigint) / 4294967296.0){% endmacro %}

{% macro postgres__hash_share(text) %}(('x' || substr(md5({{ text }}), 1, 8))::bit(32)::bigint / 4294967296.0){% endmacro %}

{% macro spark__hash_share(text) %}(cast(conv(substr(md5({{ text }}), 1, 8), 16, 10) as bigint) / 4294967296.0){% endmacro %}
