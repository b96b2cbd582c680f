{% macro score(value, cut, tie_cut=none, prefix='') %}
    1
    {%- for number in range(1, 5) %}
    + case when {{ value }} > {{ prefix }}{{ cut }}_{{ number }}
        {%- if tie_cut %} or ({{ value }} = {{ prefix }}{{ cut }}_{{ number }} and customer_id > {{ prefix }}{{ tie_cut }}_{{ number }}){% endif %} then 1 else 0 end
    {%- endfor %}
{% endmacro %}
