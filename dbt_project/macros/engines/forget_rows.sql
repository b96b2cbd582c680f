{#- Takes rows out of a table that a run adds to. Its caller is a hook, which is only run to add. -#}
{% macro forget_rows(condition) %}{{ return(adapter.dispatch('forget_rows', 'lifestage')(condition)) }}{% endmacro %}

{% macro default__forget_rows(condition) %}delete from {{ this }} where {{ condition }}{% endmacro %}

{#
  Plain tables of Spark know no delete: what stays is set aside and written over the table. It is there
  all the time, so a run that breaks in between leaves too few rows, which the next one does not trust.
#}
{% macro spark__forget_rows(condition) %}
    {%- set staying = this.incorporate(path={'identifier': this.identifier ~ '__staying'}) -%}
    {%- call statement('drop_old_copy') -%}
        drop table if exists {{ staying }}
    {%- endcall -%}
    {%- call statement('set_aside') -%}
        create table {{ staying }} using parquet as
        select * from {{ this }} where not coalesce({{ condition }}, false)
    {%- endcall -%}
    {%- call statement('write_over') -%}
        insert overwrite table {{ this }} select * from {{ staying }}
    {%- endcall -%}
    {%- call statement('drop_copy') -%}
        drop table {{ staying }}
    {%- endcall -%}
{% endmacro %}
