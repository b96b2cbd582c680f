{#- Takes rows out of a table that a run adds to. Its caller is a hook, which is only run to add. -#}
{% macro forget_rows(condition) %}{{ return(adapter.dispatch('forget_rows', 'lifestage')(condition)) }}{% endmacro %}

{% macro default__forget_rows(condition) %}delete from {{ this }} where {{ condition }}{% endmacro %}

{#
  Plain tables of Spark know no delete: what stays is written over what was there. A run that breaks in
  between leaves too few rows or too many, which the next one does not trust.
#}
{% macro spark__forget_rows(condition) %}
    {%- set bucket = config.get('partition_by') -%}
    {#- A table of an earlier version is refused for its columns, not for a hook that fails. -#}
    {%- if bucket and is_stored_with(bucket) -%}
        {%- do write_buckets_over(bucket, condition) -%}
    {%- elif not bucket -%}
        {%- do write_table_over(condition) -%}
    {%- endif -%}
{% endmacro %}

{#
  Partitions that are overwritten one by one may be read by the same statement. It leaves those alone in
  which nothing stays: there the rows to forget are still found afterwards, and the partition goes.
#}
{% macro write_buckets_over(bucket, condition) %}
    {%- set found = 'select distinct ' ~ bucket ~ ' from ' ~ this ~ ' where ' ~ condition -%}
    {%- set concerned = run_query(found).columns[0].values() -%}
    {%- if concerned -%}
        {%- do run_query('set spark.sql.sources.partitionOverwriteMode=dynamic') -%}
        {%- call statement('write_over') -%}
            insert overwrite table {{ this }} partition ({{ bucket }})
            select * from {{ this }}
            where
                {{ bucket }} in ({{ concerned | join(', ') }})
                and not coalesce({{ condition }}, false)
        {%- endcall -%}
        {%- set emptied = run_query(found).columns[0].values() -%}
        {%- if emptied -%}
            {%- call statement('drop_emptied') -%}
                alter table {{ this }} drop if exists
                {% for number in emptied -%}
                    partition ({{ bucket }} = {{ number }}){{ ', ' if not loop.last }}
                {%- endfor -%}
            {%- endcall -%}
        {%- endif -%}
    {%- endif -%}
    {%- do log(this ~ ': ' ~ concerned | length ~ ' of its ' ~ bucket_count() ~ ' buckets are written anew', info=true) -%}
{% endmacro %}

{% macro write_table_over(condition) %}
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
