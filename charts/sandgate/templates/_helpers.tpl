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

{{- /*
What is no public IPv4 or IPv6 address, as libs/egress/address.cc has it: a test compares the two. One deviation: an exception
for NAT64 (64:ff9b::/96) is an ipBlock of its own.
*/ -}}
{{- define "sandgate.privateV4" -}}
[0.0.0.0/8, 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 168.63.129.16/32, 169.254.0.0/16, 172.16.0.0/12, 192.0.0.0/24, 192.0.2.0/24,
 192.88.99.0/24, 192.168.0.0/16, 198.18.0.0/15, 198.51.100.0/24, 203.0.113.0/24, 224.0.0.0/4, 240.0.0.0/4]
{{- end }}
{{- define "sandgate.privateV6" -}}
["::/3", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "4000::/2", "8000::/1"]
{{- end }}

{{- /* The ports of egress.resolver, and 53, as a YAML list without repetitions. */ -}}
{{- define "sandgate.resolverPorts" -}}
{{- $ports := list 53 -}}
{{- range .Values.egress.resolver -}}
{{- if regexMatch "^([0-9.]+|\\[.*\\]):[0-9]+$" . -}}
{{- $ports = append $ports (regexFind "[0-9]+$" . | int) -}}
{{- end -}}
{{- end -}}
{{- $ports | uniq | toJson -}}
{{- end }}
