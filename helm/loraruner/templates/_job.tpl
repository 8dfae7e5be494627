{{/* What a Job of a training is: a dict of "root", "job" and "configMap", as for its pod. */}}
{{- define "loraruner.jobSpec" -}}
{{- with .root.Values -}}
completions: 1
parallelism: 1
completionMode: Indexed
backoffLimit: {{ int .backoffLimit }}
{{- with .activeDeadlineSeconds }}
activeDeadlineSeconds: {{ int64 . }}
{{- end }}
{{- if not (kindIs "invalid" .ttlSecondsAfterFinished) }}
ttlSecondsAfterFinished: {{ int64 .ttlSecondsAfterFinished }}
{{- end }}
{{- end }}
# The only value that goes with a failure policy; and no second pod starts while the first still ends.
podReplacementPolicy: Failed
podFailurePolicy:
  {{- include "loraruner.podFailurePolicy" .root | nindent 2 }}
template:
  {{- include "loraruner.pod" . | nindent 2 }}
{{- end }}
