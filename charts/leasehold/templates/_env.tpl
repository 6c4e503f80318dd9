{{/* The injector's settings, by variable; `extraEnvironmentVars` win. */}}
{{- define "leasehold.env" -}}
{{- $i := .Values.injector -}}
{{- $agent := $i.agentDefaults -}}
{{- $name := include "leasehold.fullname" . -}}
{{- $namespace := include "leasehold.namespace" . -}}
{{- $env := dict
  "AGENT_INJECT_LISTEN" (printf ":%v" $i.port)
  "AGENT_INJECT_LOG_LEVEL" $i.logLevel
  "AGENT_INJECT_LOG_FORMAT" $i.logFormat
  "AGENT_INJECT_VAULT_ADDR" (include "leasehold.vaultAddress" .)
  "AGENT_INJECT_VAULT_AUTH_PATH" $i.authPath
  "AGENT_INJECT_VAULT_AUTH_TYPE" $agent.authType
  "AGENT_INJECT_VAULT_IMAGE" (include "leasehold.agentImage" .)
  "AGENT_INJECT_DEFAULT_TEMPLATE" $agent.template
  "AGENT_INJECT_TEMPLATE_CONFIG_EXIT_ON_RETRY_FAILURE" $agent.templateConfig.exitOnRetryFailure
  "AGENT_INJECT_AGENT_FLAVOUR" $agent.flavour
  "AGENT_INJECT_AGENT_MODE" $agent.mode
  "AGENT_INJECT_AGENT_GATE" $agent.gate
  "AGENT_INJECT_AGENT_WAIT_TIMEOUT" $agent.waitTimeout
  "AGENT_INJECT_AGENT_LOGIN_SPREAD" $agent.loginSpread
  "AGENT_INJECT_TOKEN_SOURCE" $agent.tokenSource
  "AGENT_INJECT_TOKEN_AUDIENCE" $agent.tokenAudience
  "AGENT_INJECT_TOKEN_EXPIRATION" $agent.tokenExpiration
  "AGENT_INJECT_STRICT" $i.strict
  "AGENT_INJECT_NAMESPACE_DEFAULTS" $i.namespaceDefaults.enabled
-}}
{{- $optional := dict
  "AGENT_INJECT_CPU_REQUEST" $agent.cpuRequest
  "AGENT_INJECT_CPU_LIMIT" $agent.cpuLimit
  "AGENT_INJECT_MEM_REQUEST" $agent.memRequest
  "AGENT_INJECT_MEM_LIMIT" $agent.memLimit
  "AGENT_INJECT_EPHEMERAL_REQUEST" $agent.ephemeralRequest
  "AGENT_INJECT_EPHEMERAL_LIMIT" $agent.ephemeralLimit
  "AGENT_INJECT_TEMPLATE_STATIC_SECRET_RENDER_INTERVAL" $agent.templateConfig.staticSecretRenderInterval
  "AGENT_INJECT_VAULT_NAMESPACE" $agent.vaultNamespace
  "AGENT_INJECT_VAULT_CACERT_BYTES" $agent.caCert
  "AGENT_INJECT_LOCKED_ANNOTATIONS" (join "," $i.lockedAnnotations)
-}}
{{- range $key, $value := $optional -}}
{{- if $value -}}{{- $_ := set $env $key $value -}}{{- end -}}
{{- end -}}
{{- /* Nothing, true and false are three different wishes. */ -}}
{{- if has (toString $i.revokeOnShutdown) (list "true" "false") -}}
{{- $_ := set $env "AGENT_INJECT_REVOKE_ON_SHUTDOWN" $i.revokeOnShutdown -}}
{{- end -}}
{{- if include "leasehold.clientAuthority" . -}}
{{- $_ := set $env "AGENT_INJECT_TLS_CLIENT_CA_FILE" (printf "/etc/leasehold/clients/%s" $i.clientAuthority.key) -}}
{{- end -}}
{{- if $i.metrics.enabled -}}
{{- $_ := set $env "AGENT_INJECT_TELEMETRY_PATH" "/metrics" -}}
{{- end -}}
{{- if include "leasehold.selfMade" . -}}
{{- $_ := set $env "AGENT_INJECT_TLS_AUTO" (include "leasehold.clusterName" .) -}}
{{- if $i.warnings.enabled -}}
{{- $_ := set $env "AGENT_INJECT_TLS_AUTO_VALIDATING" (include "leasehold.clusterName" .) -}}
{{- end -}}
{{- $_ := set $env "AGENT_INJECT_TLS_AUTO_HOSTS" (printf "%s,%s.%s,%s.%s.svc" $name $name $namespace $name $namespace) -}}
{{- $_ := set $env "AGENT_INJECT_TLS_AUTO_SECRET" (include "leasehold.secretName" .) -}}
{{- $_ := set $env "AGENT_INJECT_TLS_AUTO_LEASE" (printf "%s-tls" $name) -}}
{{- $_ := set $env "AGENT_INJECT_TLS_AUTO_CA_LIFETIME" $i.certs.selfMade.caLifetime -}}
{{- $_ := set $env "AGENT_INJECT_TLS_AUTO_SERVING_LIFETIME" $i.certs.selfMade.servingLifetime -}}
{{- else -}}
{{- $_ := set $env "AGENT_INJECT_TLS_CERT_FILE" (printf "/etc/leasehold/tls/%s" (ternary $i.certs.certName "tls.crt" (not (empty $i.certs.secretName)))) -}}
{{- $_ := set $env "AGENT_INJECT_TLS_KEY_FILE" (printf "/etc/leasehold/tls/%s" (ternary $i.certs.keyName "tls.key" (not (empty $i.certs.secretName)))) -}}
{{- end -}}
{{- range $key, $value := $i.extraEnvironmentVars -}}
{{- $_ := set $env $key $value -}}
{{- end -}}
{{- range $key, $value := $env }}
- name: {{ $key }}
  value: {{ $value | toString | quote }}
{{- end }}
{{- range $key, $path := dict "NAMESPACE" "metadata.namespace" "POD_NAME" "metadata.name" }}
{{- if not (hasKey $env $key) }}
- name: {{ $key }}
  valueFrom:
    fieldRef:
      # The default written out: to server-side apply the field is one, and another writer's default a conflict.
      apiVersion: v1
      fieldPath: {{ $path }}
{{- end }}
{{- end }}
{{- end -}}
