{{/* The gateway's container. As a native sidecar it stands under initContainers, in a chart that depends on this one too. */}}
{{- define "xietong.container" -}}
{{- $sidecar := eq .Values.mode "sidecar" -}}
name: xietong
image: {{ include "xietong.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args: [serve, --config, /etc/xietong/xietong.yaml]
{{- if $sidecar }}
restartPolicy: Always
{{- end }}
{{- with .Values.secrets }}
envFrom:
  {{- range . }}
  - secretRef: {name: {{ . }}}
  {{- end }}
{{- end }}
{{- if or .Values.env (eq .Values.state.kind "redis") }}
env:
  {{- range $name, $value := .Values.env }}
  - {name: {{ $name }}, value: {{ $value | quote }}}
  {{- end }}
  {{- if eq .Values.state.kind "redis" }}
  - name: XIETONG_REDIS_URL
    valueFrom: {secretKeyRef: {name: {{ .Values.state.redis.secret }}, key: {{ .Values.state.redis.key }}}}
  {{- range $name, $key := dict "USERNAME" .Values.state.redis.usernameKey "PASSWORD" .Values.state.redis.passwordKey }}
  {{- if $key }}
  - name: XIETONG_REDIS_{{ $name }}
    valueFrom: {secretKeyRef: {name: {{ $.Values.state.redis.secret }}, key: {{ $key }}}}
  {{- end }}
  {{- end }}
  {{- end }}
{{- end }}
ports:
  {{- if not $sidecar }}
  - {name: http, containerPort: {{ .Values.port }}, protocol: TCP}
  {{- end }}
  - {name: metrics, containerPort: {{ .Values.metricsPort }}, protocol: TCP}
startupProbe:
  httpGet: {path: /startupz, port: metrics}
  periodSeconds: {{ ternary 1 2 $sidecar }}
  failureThreshold: {{ mul .Values.startupAttempts (ternary 2 1 $sidecar) }}
livenessProbe:
  httpGet: {path: /livez, port: metrics}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
{{- if or (not $sidecar) .Values.sidecar.readiness }}
readinessProbe:
  httpGet: {path: /readyz, port: metrics}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 2
{{- end }}
resources: {{- toYaml .Values.resources | nindent 2 }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  capabilities: {drop: [ALL]}
  seccompProfile: {type: RuntimeDefault}
volumeMounts:
  # The folder, not the file alone: a subPath would never change.
  - {name: xietong-config, mountPath: /etc/xietong, readOnly: true}
  {{- if eq .Values.state.kind "embedded" }}
  - {name: xietong-state, mountPath: /var/lib/xietong}
  {{- end }}
{{- end }}

{{- define "xietong.volumes" -}}
- name: xietong-config
  configMap: {name: {{ include "xietong.name" . }}}
{{- if eq .Values.state.kind "embedded" }}
- name: xietong-state
  persistentVolumeClaim: {claimName: {{ include "xietong.name" . }}}
{{- end }}
{{- end }}

{{- define "xietong.pod" -}}
{{- $sidecar := eq .Values.mode "sidecar" -}}
metadata:
  labels:
    {{- include "xietong.labels" . | nindent 4 }}
    {{- with .Values.podLabels }}{{ toYaml . | nindent 4 }}{{ end }}
  annotations:
    checksum/needs-restart: {{ include "xietong.needs-restart" . }}
    kubectl.kubernetes.io/default-container: {{ if $sidecar }}{{ (first .Values.sidecar.containers).name }}{{ else }}xietong{{ end }}
    {{- if .Values.monitoring.annotations }}
    prometheus.io/scrape: "true"
    prometheus.io/port: {{ .Values.metricsPort | quote }}
    prometheus.io/path: /metrics
    {{- end }}
    {{- with .Values.podAnnotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  serviceAccountName: {{ include "xietong.name" . }}
  automountServiceAccountToken: false
  # Variables of services would be read as ours: XIETONG_PORT, say.
  enableServiceLinks: false
  {{- if $sidecar }}
  terminationGracePeriodSeconds: {{ add .Values.sidecar.applicationGrace .Values.sidecar.grace 5 }}
  {{- else }}
  terminationGracePeriodSeconds: {{ add .Values.grace 10 }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    {{- if not $sidecar }}
    runAsUser: 65532
    runAsGroup: 65532
    {{- end }}
    {{- if eq .Values.state.kind "embedded" }}
    fsGroup: 65532
    fsGroupChangePolicy: OnRootMismatch
    {{- end }}
    seccompProfile: {type: RuntimeDefault}
  {{- with .Values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - {name: {{ . }}}
    {{- end }}
  {{- end }}
  {{- if $sidecar }}
  initContainers:
    -
      {{- include "xietong.container" . | nindent 6 }}
  containers: {{- toYaml .Values.sidecar.containers | nindent 4 }}
  {{- else }}
  containers:
    -
      {{- include "xietong.container" . | nindent 6 }}
  {{- end }}
  volumes: {{- include "xietong.volumes" . | nindent 4 }}
  {{- if and .Values.topologySpread.enabled (not $sidecar) }}
  topologySpreadConstraints:
    {{- range tuple "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels: {{- include "xietong.chosen" $ | nindent 10 }}
      # Old and new pods of a rollout are not to be counted together.
      matchLabelKeys: [pod-template-hash]
    {{- end }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
{{- end }}
