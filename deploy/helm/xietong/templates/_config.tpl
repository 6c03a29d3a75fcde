{{/* The whole configuration. What the pod's shape decides is not in `config`. */}}
{{- define "xietong.config" -}}
{{- range tuple "listen" "admin" "state" "grace" }}
{{- if hasKey $.Values.config . }}{{ fail (printf "config.%s: the chart sets it; see its values" .) }}{{ end }}
{{- end }}
{{- $sidecar := eq .Values.mode "sidecar" }}
{{- $shape := dict
  "listen" (ternary (printf "127.0.0.1:%v" .Values.sidecar.port) (printf "0.0.0.0:%v" .Values.port) $sidecar)
  "admin" (printf "0.0.0.0:%v" .Values.metricsPort)
  "grace" (printf "%vs" (ternary .Values.sidecar.grace .Values.grace $sidecar)) }}
{{- if eq .Values.state.kind "redis" }}
{{- $state := dict "kind" "redis" "url" "${XIETONG_REDIS_URL}" }}
{{- if .Values.state.redis.usernameKey }}
{{- $_ := set $state "username" "${XIETONG_REDIS_USERNAME}" }}
{{- end }}
{{- if .Values.state.redis.passwordKey }}
{{- $_ := set $state "password" "${XIETONG_REDIS_PASSWORD}" }}
{{- end }}
{{- $_ := set $shape "state" $state }}
{{- else if eq .Values.state.kind "embedded" }}
{{- $_ := set $shape "state" (dict "kind" "embedded" "path" "/var/lib/xietong/xietong.db") }}
{{- end }}
{{- merge $shape .Values.config | toYaml }}
{{- end }}

{{/* What cannot change without a restart; the pods are replaced when it does, and only then. */}}
{{- define "xietong.needs-restart" -}}
{{- $limits := .Values.config.limits | default dict }}
{{- list .Values.mode .Values.port .Values.metricsPort .Values.grace .Values.sidecar.port .Values.sidecar.grace
  .Values.state.kind .Values.config.currency .Values.config.time_zone $limits.head $limits.connections
  | toJson | sha256sum }}
{{- end }}
