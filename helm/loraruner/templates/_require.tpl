{{/*
What the schema can't say. Every fault is told at once, in a sentence each: what, where, what to do. Only then is anything
rendered.
*/}}
{{- define "loraruner.require" -}}
{{- with include "loraruner.nullFaults" . | fromYamlArray -}}
{{- fail (printf "\n%s" (join "\n" .)) -}}
{{- end -}}
{{- $faults := concat (include "loraruner.dispatchFaults" . | fromYamlArray) (include "loraruner.valueFaults" . | fromYamlArray) -}}
{{- $places := dict "$.job" .Values.job "$.dispatch.template.job" (ternary .Values.dispatch.template.job dict .Values.dispatch.enabled) -}}
{{- range $place, $job := $places -}}
{{- if $job -}}
{{- $faults = concat $faults (include "loraruner.addressFaults" (dict "Values" $.Values "job" $job "place" $place) | fromYamlArray) -}}
{{- end -}}
{{- end -}}
{{- with $faults -}}
{{- fail (printf "\n%s" (join "\n" .)) -}}
{{- end -}}
{{- end }}

{{/*
A key with nothing after it is null, and Helm then forgets the defaults below it: `store:` above lines that are commented
out. Nothing else can be looked at before that is mended.
*/}}
{{- define "loraruner.nullFaults" -}}
{{- range $path := list "store" "store.caConfigMap" "operator" "operator.requireDigests" "gpu" "gpu.count" "gpu.resourceName"
  "resources" "workspace" "sharedMemory" "cache" "cache.enabled" "cache.size" "cache.accessModes" "kueue"
  "serviceAccount" "serviceAccount.annotations" "serviceAccount.labels" "networkPolicy" "networkPolicy.dns" "rbac"
  "rbac.examples" "metrics" "notify" "dispatch" "dispatch.enabled" "dispatch.schedule" "dispatch.status"
  "dispatch.concurrencyPolicy" "dispatch.template" "dispatch.template.job" "dispatch.serviceAccount" "dispatch.resources" "podLabels" "podSecurityContext" "securityContext" "backoffLimit" "image.pullPolicy" -}}
{{- $value := $.Values -}}
{{- range splitList "." $path -}}
{{- if kindIs "map" $value -}}
{{- $value = index $value . -}}
{{- else -}}
{{- $value = "" -}}
{{- end -}}
{{- end -}}
{{- if kindIs "invalid" $value }}
- {{ printf "$.%s: is null, so its defaults are gone; leave the key out, or give it a value" $path | toJson }}
{{- end -}}
{{- end -}}
{{- end }}

{{/* A path of the pod holds nothing at its start, and is gone at its end. A dict of "Values", "job" and "place". */}}
{{- define "loraruner.addressFaults" -}}
{{- $job := .job -}}
{{- $resume := dig "checkpoint" "resume" "auto" $job -}}
{{- $addresses := list
  (list "$.job.model.base" (dig "model" "base" "" $job))
  (list "$.job.data.uri" (dig "data" "uri" "" $job))
  (list "$.job.data.caption.model" (dig "model" "" (dig "data" "caption" nil $job | default dict)))
  (list "$.job.evaluation.uri" (dig "evaluation" "uri" "" $job))
  (list "$.job.evaluation.general_uri" (dig "evaluation" "general_uri" "" $job))
  (list "$.job.checkpoint.resume" (has $resume (list "auto" "never") | ternary "" $resume)) -}}
{{- range $pair := $addresses -}}
{{- $place := index $pair 0 | replace "$.job" $.place -}}
{{- with index $pair 1 -}}
{{- $claim := regexReplaceAll "^(?:file://)?/inputs/([^/]+)(?:/.*)?$" . "${1}" -}}
{{- if not (or (regexMatch "(?i)^(s3|https|hf|clickup)://" .) (and (ne $claim .) (hasKey $.Values.inputs $claim))) }}
- {{ printf "%s: %q lies nowhere that the pod can read; give an address with s3://, https:// or hf://, or mount a claim with the value inputs and name it as /inputs/NAME" $place . | toJson }}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with dig "output" "uri" "" $job -}}
{{- if not (regexMatch "(?i)^s3://" .) }}
- {{ printf "%s: %q is no store that keeps the result; what is written inside the pod is lost with it: give an address such as s3://BUCKET/PREFIX" ("$.job.output.uri" | replace "$.job" $.place) . | toJson }}
{{- end -}}
{{- end -}}
{{- end }}

{{/* What looking at a list needs. */}}
{{- define "loraruner.dispatchFaults" -}}
{{- with .Values.dispatch -}}
{{- if .enabled -}}
{{- if not .list }}
- "$.dispatch.list: is missing; give the number in the address of the ClickUp list"
{{- end -}}
{{- if not (dig "output" "uri" "" .template.job) }}
- "$.dispatch.template.job.output.uri: is missing; say where the versions of all tasks go, as s3://BUCKET/PREFIX"
{{- end -}}
{{- if not (or $.Values.notify.secretName $.Values.store.secretName $.Values.extraEnv) }}
- "$.notify.secretName: is missing; name a Secret that holds CLICKUP_TOKEN"
{{- end -}}
{{- if has .status (list .movingTo .onFaultStatus) }}
- {{ printf "$.dispatch.status: %s is also where started or faulty tasks go; give movingTo and onFaultStatus another one, or none" .status | toJson }}
{{- end -}}
{{- if not (or .serviceAccount.create .serviceAccount.name) }}
- "$.dispatch.serviceAccount.name: is missing; without it the rights of the looks would go to every pod that names no account"
{{- else if eq (include "loraruner.dispatchAccountName" $) (include "loraruner.serviceAccountName" $) }}
- "$.dispatch.serviceAccount.name: is the account of the trainings, which must not get the rights of the looks; name another one"
{{- end -}}
{{- else if .template.job }}
- "$.dispatch.template: does nothing while dispatch.enabled is false; set that to true, or take the template out"
{{- end -}}
{{- end -}}
{{- end }}

{{/* Of a quantity such as 4, "0.5" or 500m. */}}
{{- define "loraruner.milliCpus" -}}
{{- $text := toString . -}}
{{- hasSuffix "m" $text | ternary (trimSuffix "m" $text | float64) (mulf (float64 $text) 1000.0) -}}
{{- end }}

{{- define "loraruner.valueFaults" -}}
{{- $limits := .Values.resources.limits -}}
{{- with dig "requests" "memory" "" .Values.resources -}}
{{- if ne (toString .) (toString $limits.memory) }}
- {{ printf "$.resources.requests.memory: %v differs from the limit, %v; leave it out: memory is requested as it is limited, so that a full node does not end this pod first" . $limits.memory | toJson }}
{{- end -}}
{{- end -}}
{{- if $limits.cpu -}}
{{- if gt (include "loraruner.milliCpus" .Values.resources.requests.cpu | float64) (include "loraruner.milliCpus" $limits.cpu | float64) }}
- {{ printf "$.resources.requests.cpu: %v is more than the limit, %v; lower it with the limit" .Values.resources.requests.cpu $limits.cpu | toJson }}
{{- end -}}
{{- end -}}
{{- if and .Values.kueue.priorityClass (not .Values.kueue.queueName) }}
- "$.kueue.priorityClass: means nothing without a queue; give kueue.queueName too"
{{- end -}}
{{- range $name, $_ := .Values.podLabels -}}
{{- if has $name (list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/component") }}
- {{ printf "$.podLabels: %s is the chart's own, by which the pod is found; take another label" $name | toJson }}
{{- end -}}
{{- end -}}
{{- include "loraruner.environmentFaults" . -}}
{{- end }}

{{- define "loraruner.environmentFaults" -}}
{{- $taken := list "NVIDIA_VISIBLE_DEVICES" -}}
{{- range include "loraruner.namedEnvironment" . | fromYamlArray -}}
{{- $taken = append $taken .name -}}
{{- end -}}
{{- $secrets := list "AWS_SECRET_ACCESS_KEY" "AWS_SESSION_TOKEN" "AWS_ACCESS_KEY_ID" "HF_TOKEN" "CLICKUP_TOKEN"
  "SMARTSHEET_TOKEN" "LORARUNER_WEBHOOK_URL" "LORARUNER_WEBHOOK_SECRET" -}}
{{- range $index, $entry := .Values.extraEnv -}}
{{- if has $entry.name $taken }}
- {{ printf "$.extraEnv[%d]: %s is set by another value, or twice; name it in one place" $index $entry.name | toJson }}
{{- else if and (has $entry.name $secrets) (hasKey $entry "value") }}
- {{ printf "$.extraEnv[%d]: %s is a secret, and values are kept in the release and shown by Kubernetes; give it by store.secretName, notify.secretName or valueFrom.secretKeyRef" $index $entry.name | toJson }}
{{- end -}}
{{- $taken = append $taken $entry.name -}}
{{- end -}}
{{- end }}
