{{- define "xietong.name" -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "xietong.chosen" -}}
app.kubernetes.io/name: xietong
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "xietong.labels" -}}
{{ include "xietong.chosen" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: gateway
app.kubernetes.io/part-of: xietong
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "xietong.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ with .Values.image.digest }}@{{ . }}{{ end }}
{{- end }}

{{/* Whether there is a pod of ours; empty where another chart puts the sidecar into its own. */}}
{{- define "xietong.workload" -}}
{{- if or (eq .Values.mode "deployment") .Values.sidecar.workload }}yes{{ end }}
{{- end }}
