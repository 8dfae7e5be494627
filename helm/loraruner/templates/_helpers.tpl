{{/*
Name of everything that lives as long as the release. A Job's pods are called NAME-DIGEST-0-RANDOM: 46 + 1 + 8 + 3 + 5
characters make 63, the longest DNS label. A name that had to be changed carries a digest, so that two long names stay two.
*/}}
{{- define "loraruner.fullname" -}}
{{- $name := .Values.nameOverride | default .Chart.Name -}}
{{- $full := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{- $full = .Values.fullnameOverride | default $full -}}
{{- $plain := $full | replace "." "-" -}}
{{- if and (eq $plain $full) (le (len $full) 46) -}}
{{- $full -}}
{{- else -}}
{{- printf "%s-%s" ($plain | trunc 37 | trimSuffix "-") (sha256sum $full | trunc 8) -}}
{{- end -}}
{{- end }}

{{- define "loraruner.selectorLabels" -}}
app.kubernetes.io/name: loraruner
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "loraruner.labels" -}}
{{ include "loraruner.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: loraruner
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | quote }}
{{- end }}

{{- define "loraruner.keep" -}}
{{- if .Values.keep -}}
helm.sh/resource-policy: keep
{{- end -}}
{{- end }}

{{- define "loraruner.image" -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- end }}

{{- define "loraruner.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (include "loraruner.fullname" .) }}
{{- else -}}
{{ .Values.serviceAccount.name | default "default" }}
{{- end -}}
{{- end }}

{{/* Of the looks at a list. A CronJob's name has 52 characters at most, as its Jobs add 11. */}}
{{- define "loraruner.dispatchName" -}}
{{ printf "%s-dispatch" (include "loraruner.fullname" . | trunc 43 | trimSuffix "-") }}
{{- end }}

{{- define "loraruner.dispatchAccountName" -}}
{{- if .Values.dispatch.serviceAccount.create -}}
{{ .Values.dispatch.serviceAccount.name | default (include "loraruner.dispatchName" .) }}
{{- else -}}
{{ .Values.dispatch.serviceAccount.name | default "default" }}
{{- end -}}
{{- end }}

{{- define "loraruner.cacheClaim" -}}
{{ .Values.cache.existingClaim | default (printf "%s-cache" (include "loraruner.fullname" .)) }}
{{- end }}

{{/* Kueue refuses to change them in a Job that runs. */}}
{{- define "loraruner.queueLabels" -}}
{{- with .Values.kueue.queueName -}}
kueue.x-k8s.io/queue-name: {{ . | quote }}
{{- with $.Values.kueue.priorityClass }}
kueue.x-k8s.io/priority-class: {{ . | quote }}
{{- end }}
{{- with $.Values.activeDeadlineSeconds }}
# Kueue counts over all its pauses; the Job's own field begins anew after each.
kueue.x-k8s.io/max-exec-time-seconds: {{ int64 . | quote }}
{{- end }}
{{- end -}}
{{- end }}

{{/* The job as JSON. */}}
{{- define "loraruner.document" -}}
{{ toPrettyJson .Values.job }}
{{- end }}

{{/*
Name of the Job and of its ConfigMap. Neither can be changed once it exists, so the name tells the content: the job as it
is written, the pod with its image, the failure policy, and Kueue's labels. What Kubernetes lets one change in a Job that
runs (its limits in time and number, other labels) is not in it.
*/}}
{{- define "loraruner.jobName" -}}
{{- $pod := include "loraruner.pod" (dict "root" . "job" .Values.job "configMap" "") | fromYaml -}}
{{- $policy := include "loraruner.podFailurePolicy" . | fromYaml -}}
{{- $queue := include "loraruner.queueLabels" . | fromYaml -}}
{{- $digest := list (include "loraruner.document" .) $pod $policy $queue | toJson | sha256sum -}}
{{ include "loraruner.fullname" . }}-{{ trunc 8 $digest }}
{{- end }}
