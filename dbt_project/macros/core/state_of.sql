{#
  How a run knows what is already computed. It is memory, not lineage, so it is no edge of the graph.
  A unit test has neither.
#}
{% macro state_of(model_name) %}
    {% if not execute or flags.FULL_REFRESH or not graph.nodes %}{{ return(none) }}{% endif %}
    {% set node = graph.nodes.values() | selectattr('resource_type', 'equalto', 'model') | selectattr('name', 'equalto', model_name) | first %}
    {{ return(adapter.get_relation(database=node.database, schema=node.schema, identifier=node.alias)) }}
{% endmacro %}
