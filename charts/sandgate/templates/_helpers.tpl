{{- define "sandgate.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "sandgate.labels" -}}
app.kubernetes.io/name: sandgate
app.kubernetes.io/part-of: sandgate
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "sandgate.operatorUser" -}}
system:serviceaccount:{{ .Release.Namespace }}:sandgate-operator
{{- end }}

{{- /* "true" when the cluster has MutatingAdmissionPolicy v1 */ -}}
{{- define "sandgate.mutating" -}}
{{- if eq (toString .Values.admission.mutating) "auto" -}}
{{- .Capabilities.APIVersions.Has "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy" -}}
{{- else -}}
{{- toString .Values.admission.mutating -}}
{{- end -}}
{{- end }}

{{- define "sandgate.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "sandgate.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "sandgate.probes" -}}
livenessProbe:
  httpGet: {path: /healthz, port: health}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /readyz, port: health}
  periodSeconds: 2
  timeoutSeconds: 5
{{- end }}

{{- /* As the operator reads it: runsc stands for the RuntimeClass gvisor. */ -}}
{{- define "sandgate.runtimeClass" -}}
{{- $runtime := .Values.policy.security.sandbox.runtime -}}
{{- if eq $runtime "runsc" }}gvisor{{ else }}{{ $runtime }}{{ end -}}
{{- end }}
