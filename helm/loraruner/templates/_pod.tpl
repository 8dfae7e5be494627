{{/* Template of the pod: a dict of "root", "job" and "configMap", the name of what holds the job. */}}
{{- define "loraruner.pod" -}}
{{- $root := .root -}}
{{- with .root.Values -}}
metadata:
  labels:
    {{- include "loraruner.podLabels" (dict "root" $root "component" "trainer") | nindent 4 }}
  {{- with .podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  restartPolicy: Never
  {{- include "loraruner.podBasics" $root | nindent 2 }}
  # Time to finish the step and send a checkpoint (checkpoint.grace_s), and to end.
  terminationGracePeriodSeconds: {{ add (dig "checkpoint" "grace_s" 100 $.job) 20 }}
  containers:
    - name: trainer
      image: {{ include "loraruner.image" $root | quote }}
      imagePullPolicy: {{ .image.pullPolicy }}
      args:
        - train
        {{- if .continueRun }}
        - --continue
        {{- end }}
        - /etc/loraruner/job.json
      env:
        {{- include "loraruner.environment" $root | nindent 8 }}
        {{- if not .gpu.count }}
        # Some container runtimes show every GPU of the node to a pod that asked for none.
        - {name: NVIDIA_VISIBLE_DEVICES, value: void}
        {{- end }}
      {{- include "loraruner.environmentFrom" $root | nindent 6 }}
      resources:
        {{- include "loraruner.resources" $root | nindent 8 }}
      securityContext:
        {{- toYaml .securityContext | nindent 8 }}
      terminationMessagePath: /dev/termination-log
      terminationMessagePolicy: FallbackToLogsOnError
      volumeMounts:
        - {name: job, mountPath: /etc/loraruner, readOnly: true}
        {{- include "loraruner.mounts" $root | nindent 8 }}
        - {name: shared-memory, mountPath: /dev/shm}
        {{- range $name, $claim := .inputs }}
        - {name: {{ printf "inputs-%s" $name }}, mountPath: {{ printf "/inputs/%s" $name }}, readOnly: true}
        {{- end }}
  volumes:
    - name: job
      configMap:
        name: {{ $.configMap | quote }}
        items:
          - {key: job.json, path: job.json}
    {{- include "loraruner.volumes" $root | nindent 4 }}
    - name: shared-memory
      emptyDir: {medium: Memory, sizeLimit: {{ .sharedMemory.sizeLimit | quote }}}
    {{- range $name, $claim := .inputs }}
    - name: {{ printf "inputs-%s" $name }}
      persistentVolumeClaim: {claimName: {{ $claim | quote }}, readOnly: true}
    {{- end }}
{{- end -}}
{{- end }}

{{/* Labels of a pod; without versions, so that a new version of the chart alone starts nothing anew. */}}
{{- define "loraruner.podLabels" -}}
{{- $own := include "loraruner.selectorLabels" .root | fromYaml -}}
{{- $own = set $own "app.kubernetes.io/component" .component -}}
{{- merge $own (deepCopy .root.Values.podLabels) | toYaml -}}
{{- end }}

{{/* What the trainer's pod and the test's have in common. */}}
{{- define "loraruner.podBasics" -}}
serviceAccountName: {{ include "loraruner.serviceAccountName" . | quote }}
# The runner never talks to Kubernetes. Roles of EKS, GKE and Azure come another way.
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- range $key := list "imagePullSecrets" "nodeSelector" "tolerations" "affinity" "priorityClassName" "schedulerName" }}
{{- with index $.Values $key }}
{{ $key }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}

{{- define "loraruner.environment" -}}
{{ include "loraruner.namedEnvironment" . }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* What other values than extraEnv set. */}}
{{- define "loraruner.namedEnvironment" -}}
- {name: LORARUNER_TERMINATION_LOG, value: /dev/termination-log}
- {name: LORARUNER_IMAGE, value: {{ include "loraruner.image" . | quote }}}
{{- $named := dict
  "LORARUNER_CACHE" (ternary "/cache" "" .Values.cache.enabled)
  "LORARUNER_ALLOWED_PREFIXES" (join "," .Values.operator.allowedPrefixes)
  "LORARUNER_ALLOWED_HOSTS" (join "," .Values.operator.allowedHosts)
  "LORARUNER_REQUIRE_DIGESTS" (ternary "1" "" .Values.operator.requireDigests)
  "LORARUNER_LEASE_S" (.Values.operator.leaseS | default "")
  "LORARUNER_MAX_ATTEMPTS" (.Values.operator.maxAttempts | default "")
  "LORARUNER_PUSHGATEWAY" .Values.metrics.pushgateway
  "CLICKUP_API_URL" .Values.notify.clickupApi
  "SMARTSHEET_API_URL" .Values.notify.smartsheetApi
  "AWS_ENDPOINT_URL_S3" .Values.store.endpoint
  "AWS_REGION" .Values.store.region
  "AWS_CA_BUNDLE" (ternary "/etc/loraruner-ca/ca.crt" "" (ne .Values.store.caConfigMap "")) }}
{{- range $name, $value := $named }}
{{- with $value }}
- {name: {{ $name }}, value: {{ toString . | quote }}}
{{- end }}
{{- end }}
{{- end }}

{{- define "loraruner.environmentFrom" -}}
{{- with list .Values.store.secretName .Values.notify.secretName | compact | uniq -}}
envFrom:
  {{- range . }}
  - secretRef: {name: {{ . | quote }}}
  {{- end }}
{{- end -}}
{{- end }}

{{/* Memory and disk are requested as they are limited; so is the GPU, of which a limit is enough. */}}
{{- define "loraruner.resources" -}}
{{- $requests := deepCopy .Values.resources.requests -}}
{{- $limits := deepCopy .Values.resources.limits -}}
{{- range $name := list "memory" "ephemeral-storage" -}}
{{- if and (index $limits $name) (not (index $requests $name)) -}}
{{- $_ := set $requests $name (index $limits $name) -}}
{{- end -}}
{{- end -}}
{{- if .Values.gpu.count -}}
{{- $_ := set $limits .Values.gpu.resourceName (int .Values.gpu.count) -}}
{{- $_ := set $requests .Values.gpu.resourceName (int .Values.gpu.count) -}}
{{- end -}}
{{- toYaml (dict "requests" $requests "limits" $limits) -}}
{{- end }}

{{- define "loraruner.mounts" -}}
- {name: workspace, mountPath: /workspace}
- {name: tmp, mountPath: /tmp}
{{- if .Values.cache.enabled }}
- {name: cache, mountPath: /cache}
{{- end }}
{{- if .Values.store.caConfigMap }}
- {name: ca, mountPath: /etc/loraruner-ca, readOnly: true}
{{- end }}
{{- end }}

{{- define "loraruner.volumes" -}}
- name: workspace
  emptyDir: {sizeLimit: {{ .Values.workspace.sizeLimit | quote }}}
- name: tmp
  emptyDir: {}
{{- if .Values.cache.enabled }}
- name: cache
  persistentVolumeClaim: {claimName: {{ include "loraruner.cacheClaim" . | quote }}}
{{- end }}
{{- with .Values.store.caConfigMap }}
- name: ca
  configMap:
    name: {{ . | quote }}
    items:
      - {key: ca.crt, path: ca.crt}
{{- end }}
{{- end }}
