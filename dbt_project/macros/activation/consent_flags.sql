{#- The flags of a customer record on consent, each with the purpose and channel that it speaks of. -#}
{% macro consent_flags() %}
    {{ return({
        'consent_email': ('marketing', 'email'),
        'consent_sms': ('marketing', 'sms'),
        'consent_ads': ('ads', 'ads'),
    }) }}
{% endmacro %}
