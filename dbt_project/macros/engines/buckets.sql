{#-
  Engines that cannot delete rows keep their largest tables in buckets, so that a night writes only those
  anew that hold what changed. A row is found in the bucket that it was stored in, so their number may be
  another one from one night to the next.
-#}
{% macro partition_of_buckets() %}{{ return(adapter.dispatch('partition_of_buckets', 'lifestage')()) }}{% endmacro %}

{% macro default__partition_of_buckets() %}{{ return(none) }}{% endmacro %}

{% macro spark__partition_of_buckets() %}{{ return('bucket') }}{% endmacro %}

{#- A column of such a table, with its comma. Spark hashes a key for a bucket as it does for a shuffle. -#}
{% macro bucket_column(key) %}{{ return(adapter.dispatch('bucket_column', 'lifestage')(key)) }}{% endmacro %}

{% macro default__bucket_column(key) %}{% endmacro %}

{% macro spark__bucket_column(key) %}cast(pmod(hash({{ key }}), {{ bucket_count() }}) as integer) as bucket,{% endmacro %}

{% macro bucket_count() %}
    {%- set number = env_var('LIFESTAGE_SPARK_BUCKETS', '40') | int -%}
    {%- if number < 1 -%}
        {%- do exceptions.raise_compiler_error('LIFESTAGE_SPARK_BUCKETS is no number of buckets: set it to 1 or more') -%}
    {%- endif -%}
    {{ return(number) }}
{% endmacro %}
