{% macro cause_name(code) %}
case {{ code }}
    when 1 then 'bought'
    when 2 then 'aged'
    when 3 then 'window_exit'
    when 4 then 'recalibrated'
    when 5 then 'rules_changed'
    when 6 then 'corrected'
    when 7 then 'merged'
end
{% endmacro %}
