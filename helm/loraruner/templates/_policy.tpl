{{/*
What Kubernetes does about a pod that ended: the table of exit codes, in README.md too. The first rule that matches
counts. What the job itself is at fault for comes first: no other pod mends it. Then disruptions, whose containers mostly
end with 137, which is why 137 is counted after them.
*/}}
{{- define "loraruner.podFailurePolicy" -}}
rules:
  - action: FailJob
    onExitCodes:
      containerName: trainer
      operator: In
      values: [2, 64, 65, 66, 73, 77, 79, 80, 81, 82]
  - action: Ignore
    onPodConditions:
      - type: DisruptionTarget
        status: "True"
  - action: Ignore
    onExitCodes:
      containerName: trainer
      operator: In
      values: [76, 85]
  - action: Count
    onExitCodes:
      containerName: trainer
      operator: In
      values: [70, 74, 75, 78, 137]
{{- end }}
