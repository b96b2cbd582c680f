{#
  The sums are taken of what is left beside a shift near the middle, in decimals: so they do not
  depend on the order of the rows, and equal values have exactly 0.
#}
{% macro exact_stddev(count, difference_sum, square_sum) -%}
case
    when {{ count }} > 0 then sqrt(greatest(
        {{ as_double(square_sum) }} / {{ count }}
        - {{ as_double(difference_sum) }} / {{ count }} * {{ as_double(difference_sum) }} / {{ count }},
        0
    ))
end
{%- endmacro %}
