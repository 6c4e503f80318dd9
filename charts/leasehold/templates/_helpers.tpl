{{/* The chart's name. */}}
{{- define "leasehold.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The name of all objects. */}}
{{- define "leasehold.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "leasehold.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Values files of the established chart hold templates that name these. */}}
{{- define "vault.name" -}}{{ include "leasehold.name" . }}{{- end -}}
{{- define "vault.fullname" -}}{{ include "leasehold.fullname" . }}{{- end -}}
{{- define "vault.chart" -}}{{ include "leasehold.chart" . }}{{- end -}}

{{- define "leasehold.chart" -}}
{{- printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "leasehold.namespace" -}}
{{- default .Release.Namespace .Values.global.namespace -}}
{{- end -}}

{{/* Names of cluster-wide objects carry the namespace: two releases may have one name. */}}
{{- define "leasehold.clusterName" -}}
{{- printf "%s-%s" (include "leasehold.namespace" .) (include "leasehold.fullname" .) | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "leasehold.selectorLabels" -}}
app.kubernetes.io/name: {{ include "leasehold.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
leasehold.dev/part: injector
{{- end -}}

{{- define "leasehold.labels" -}}
{{ include "leasehold.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: webhook
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ include "leasehold.chart" . }}
{{- end -}}

{{/* "true" or nothing: whether anything is rendered. */}}
{{- define "leasehold.enabled" -}}
{{- $enabled := toString .Values.injector.enabled -}}
{{- if eq $enabled "-" -}}{{- $enabled = toString .Values.global.enabled -}}{{- end -}}
{{- if eq $enabled "true" -}}true{{- end -}}
{{- end -}}

{{/*
A switch of true, false and auto; auto means from a Kubernetes version on. A version before 1.27 is
none that this chart supports, but what a renderer without a cluster assumes: there auto means true.
Arguments: value, version, root.
*/}}
{{- define "leasehold.switch" -}}
{{- $value := toString (index . 0) -}}
{{- $root := index . 2 -}}
{{- $kube := $root.Capabilities.KubeVersion.Version -}}
{{- if eq $value "true" -}}true
{{- else if eq $value "auto" -}}
{{- if or (semverCompare (printf ">= %s-0" (index . 1)) $kube) (semverCompare "< 1.27-0" $kube) -}}true{{- end -}}
{{- end -}}
{{- end -}}

{{- define "leasehold.matchConditions" -}}
{{- include "leasehold.switch" (list .Values.injector.webhook.matchConditions "1.28" .) -}}
{{- end -}}

{{- define "leasehold.guard" -}}
{{- include "leasehold.switch" (list .Values.injector.guard.enabled "1.30" .) -}}
{{- end -}}

{{/* "true" or nothing: whether the injector makes its own certificate. */}}
{{- define "leasehold.selfMade" -}}
{{- if not (or .Values.injector.certs.secretName .Values.injector.certs.certManager.enabled) -}}true{{- end -}}
{{- end -}}

{{/* "true" or nothing: whether reviews are asked for with a client certificate only. */}}
{{- define "leasehold.clientAuthority" -}}
{{- $given := .Values.injector.clientAuthority -}}
{{- if and $given.configMapName $given.secretName -}}
{{- fail "injector.clientAuthority has a configMapName and a secretName: give the one that holds the authority of the API server's client certificate." -}}
{{- end -}}
{{- if or $given.configMapName $given.secretName -}}true{{- end -}}
{{- end -}}

{{/* The Secret with the serving certificate or, for self-made ones, with the shared authority. */}}
{{- define "leasehold.secretName" -}}
{{- if .Values.injector.certs.secretName -}}
{{- .Values.injector.certs.secretName -}}
{{- else -}}
{{- printf "%s-tls" (include "leasehold.fullname" .) -}}
{{- end -}}
{{- end -}}

{{- define "leasehold.vaultAddress" -}}
{{- $given := .Values.global.externalVaultAddr | default .Values.injector.externalVaultAddr -}}
{{- if $given -}}
{{- $given -}}
{{- else -}}
{{- printf "%s://vault.%s.svc:8200" (ternary "http" "https" (eq (toString .Values.global.tlsDisable) "true")) (include "leasehold.namespace" .) -}}
{{- end -}}
{{- end -}}

{{/* The established injector's image cannot run here: a values file that was taken over names it. */}}
{{- define "leasehold.foreignImage" -}}
{{- if eq (base .Values.injector.image.repository) "vault-k8s" -}}true{{- end -}}
{{- end -}}

{{- define "leasehold.image" -}}
{{- if include "leasehold.foreignImage" . -}}
ghcr.io/leasehold/leasehold:{{ .Chart.AppVersion }}
{{- else -}}
{{- $tag := toString (.Values.injector.image.tag | default .Chart.AppVersion) -}}
{{- if hasPrefix "sha256:" $tag -}}
{{ .Values.injector.image.repository }}@{{ $tag }}
{{- else -}}
{{ .Values.injector.image.repository }}:{{ $tag }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "leasehold.agentImage" -}}
{{- $tag := toString (.Values.injector.agentImage.tag | default .Chart.AppVersion) -}}
{{- if hasPrefix "sha256:" $tag -}}
{{ .Values.injector.agentImage.repository }}@{{ $tag }}
{{- else -}}
{{ .Values.injector.agentImage.repository }}:{{ $tag }}
{{- end -}}
{{- end -}}

{{/* A map or list as YAML, a text as a template; nothing when empty. Arguments: value, root. */}}
{{- define "leasehold.either" -}}
{{- $value := index . 0 -}}
{{- if $value -}}
{{- if kindIs "string" $value -}}
{{- tpl $value (index . 1) | trim -}}
{{- else -}}
{{- toYaml $value -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "leasehold.pullSecrets" -}}
{{- range .Values.global.imagePullSecrets }}
{{- if kindIs "string" . }}
- name: {{ . }}
{{- else }}
- {{ toYaml . | nindent 2 | trim }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "leasehold.failurePolicy" -}}
{{- $policy := .Values.injector.webhook.failurePolicy | default .Values.injector.failurePolicy | default "Ignore" -}}
{{- if and (eq $policy "Fail") (not (include "leasehold.matchConditions" .)) -}}
{{- fail "injector.webhook.failurePolicy: Fail needs match conditions, which Kubernetes has from 1.28 on (injector.webhook.matchConditions): without them every pod of the cluster would wait for the injector. Use Ignore." -}}
{{- end -}}
{{- $policy -}}
{{- end -}}

{{/* Whether an object's annotations ask for injection, as CEL; each annotation has its aliases. */}}
{{- define "leasehold.asks" -}}
has(object.metadata.annotations) && ('vault.hashicorp.com/agent-inject' in object.metadata.annotations || 'openbao.org/agent-inject' in object.metadata.annotations || 'openbao.openbao.org/agent-inject' in object.metadata.annotations)
{{- end -}}

{{/* Selector of namespaces: the user's and ours, all of which must hold. Arguments: root, further expressions. */}}
{{- define "leasehold.namespaceSelector" -}}
{{- $root := index . 0 -}}
{{- $given := $root.Values.injector.webhook.namespaceSelector | default $root.Values.injector.namespaceSelector -}}
{{- $selector := dict -}}
{{- if $given -}}{{- $selector = fromYaml (include "leasehold.either" (list $given $root)) -}}{{- end -}}
{{- $ours := list (dict "key" "kubernetes.io/metadata.name" "operator" "NotIn" "values" (list "kube-system" "kube-public" "kube-node-lease")) -}}
{{- $all := concat ($selector.matchExpressions | default list) $ours (index . 1) -}}
{{- toYaml (merge (dict "matchExpressions" $all) (omit $selector "matchExpressions")) -}}
{{- end -}}

{{/* Selector of pods: the user's, and never the injector's own. */}}
{{- define "leasehold.objectSelector" -}}
{{- $given := .Values.injector.webhook.objectSelector | default .Values.injector.objectSelector -}}
{{- $selector := dict -}}
{{- if $given -}}{{- $selector = fromYaml (include "leasehold.either" (list $given .)) -}}{{- end -}}
{{- $ours := list (dict "key" "leasehold.dev/part" "operator" "NotIn" "values" (list "injector")) -}}
{{- $all := concat ($selector.matchExpressions | default list) $ours -}}
{{- toYaml (merge (dict "matchExpressions" $all) (omit $selector "matchExpressions")) -}}
{{- end -}}

{{/* Annotations of the webhook configurations. */}}
{{- define "leasehold.webhookAnnotations" -}}
{{- $given := .Values.injector.webhook.annotations | default .Values.injector.webhookAnnotations -}}
{{- include "leasehold.either" (list $given .) }}
{{- if and .Values.injector.certs.certManager.enabled (not .Values.injector.certs.secretName) }}
cert-manager.io/inject-ca-from: {{ include "leasehold.namespace" . }}/{{ include "leasehold.fullname" . }}
{{- end }}
{{- end -}}

{{/* Where the API server finds the webhook. The CA is rendered only where somebody gave it. Arguments: root, path. */}}
{{- define "leasehold.clientConfig" -}}
{{- $root := index . 0 -}}
service:
  name: {{ include "leasehold.fullname" $root }}
  namespace: {{ include "leasehold.namespace" $root }}
  path: {{ index . 1 }}
  port: 443
{{- if and $root.Values.injector.certs.secretName $root.Values.injector.certs.caBundle }}
caBundle: {{ $root.Values.injector.certs.caBundle }}
{{- end }}
{{- end -}}

{{/* Refuses values that describe a server, which this chart does not deploy. */}}
{{- define "leasehold.checkServer" -}}
{{- $server := .Values.server | default dict -}}
{{- if and $server (kindIs "map" $server) -}}
{{- $enabled := toString (get $server "enabled") -}}
{{- if or (eq $enabled "-") (eq $enabled "") (eq $enabled "<nil>") -}}{{- $enabled = toString .Values.global.enabled -}}{{- end -}}
{{- $external := .Values.global.externalVaultAddr | default .Values.injector.externalVaultAddr -}}
{{- if and (eq $enabled "true") (not $external) (not .Values.migration.noServerUnderstood) -}}
{{- fail "these values would have deployed a Vault server, and this chart deploys none: an upgrade of a release that holds a server would delete that server. Install leasehold as a release of its own with the same values and --set migration.noServerUnderstood=true, then set injector.enabled=false in the release of the server." -}}
{{- end -}}
{{- end -}}
{{- end -}}
