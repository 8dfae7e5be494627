{{/* Template of the pod that looks at a list: a dict of "root" and of "files", what its ConfigMap holds. */}}
{{- define "loraruner.dispatchPod" -}}
{{- $root := .root -}}
{{- with .root.Values -}}
metadata:
  labels:
    {{- include "loraruner.podLabels" (dict "root" $root "component" "dispatch") | nindent 4 }}
spec:
  restartPolicy: Never
  serviceAccountName: {{ include "loraruner.dispatchAccountName" $root | quote }}
  # The only pod of the chart that talks to Kubernetes: it creates the Jobs.
  automountServiceAccountToken: true
  enableServiceLinks: false
  securityContext:
    {{- toYaml .podSecurityContext | nindent 4 }}
  {{- with .imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: dispatch
      image: {{ include "loraruner.image" $root | quote }}
      imagePullPolicy: {{ .image.pullPolicy }}
      args:
        {{- include "loraruner.dispatchArguments" $root | nindent 8 }}
      env:
        {{- include "loraruner.environment" $root | nindent 8 }}
        - {name: NVIDIA_VISIBLE_DEVICES, value: void}
      {{- include "loraruner.environmentFrom" $root | nindent 6 }}
      {{- $limits := .dispatch.resources.limits }}
      resources:
        requests:
          cpu: {{ .dispatch.resources.requests.cpu | quote }}
          memory: {{ $limits.memory | quote }}
          ephemeral-storage: {{ index $limits "ephemeral-storage" | quote }}
        limits:
          {{- toYaml $limits | nindent 10 }}
      securityContext:
        {{- toYaml .securityContext | nindent 8 }}
      terminationMessagePath: /dev/termination-log
      terminationMessagePolicy: FallbackToLogsOnError
      volumeMounts:
        - {name: files, mountPath: /etc/loraruner, readOnly: true}
        - {name: workspace, mountPath: /workspace}
        - {name: tmp, mountPath: /tmp}
        {{- if .store.caConfigMap }}
        - {name: ca, mountPath: /etc/loraruner-ca, readOnly: true}
        {{- end }}
  volumes:
    - name: files
      configMap:
        name: {{ include "loraruner.dispatchName" $root | quote }}
        items:
          {{- range $file, $_ := $.files }}
          - {key: {{ $file }}, path: {{ $file }}}
          {{- end }}
    - name: workspace
      emptyDir: {}
    - name: tmp
      emptyDir: {}
    {{- with .store.caConfigMap }}
    - name: ca
      configMap:
        name: {{ . | quote }}
        items:
          - {key: ca.crt, path: ca.crt}
    {{- end }}
{{- end -}}
{{- end }}

{{- define "loraruner.dispatchArguments" -}}
{{- with .Values.dispatch -}}
- clickup
- dispatch
- --start=kubernetes
- --template=/etc/loraruner/template.json
- --manifests=/etc/loraruner/manifests.json
- {{ printf "--list=%s" .list | quote }}
- {{ printf "--status=%s" .status | quote }}
{{- with .movingTo }}
- {{ printf "--moving-to=%s" . | quote }}
{{- end }}
{{- with .onFaultStatus }}
- {{ printf "--on-fault-status=%s" . | quote }}
{{- end }}
{{- with .limit }}
- {{ printf "--limit=%d" (int .) | quote }}
{{- end }}
{{- end -}}
{{- end }}
