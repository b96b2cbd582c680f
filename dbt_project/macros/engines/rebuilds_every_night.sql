{#- Whether a run computes everything anew: when it was asked to, and on an engine whose tables know no delete. -#}
{% macro rebuilds_every_night() %}{{ return(flags.FULL_REFRESH or target.type == 'spark') }}{% endmacro %}
