{{- /*
The admission policies: what the API server itself refuses, whatever the operator does. Rendered twice: as objects
(admission.yaml), and as JSON for the operator (admission-expected.yaml), which compares the two while it runs. For that
comparison every field that the API server would default is written out here, and nothing varies but the release's
namespace and the values under admission and approvals.
*/ -}}

{{- define "sandgate.admission.match" -}}
matchPolicy: Equivalent
namespaceSelector: {}
objectSelector: {}
{{- end }}

{{- define "sandgate.admission.binding" }}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ . }}
spec:
  policyName: {{ . }}
  validationActions: [Deny, Audit]
{{- end }}

{{- /* Accounts of Kubernetes itself that finish deletions, cut owner references and rewrite objects unchanged. */ -}}
{{- define "sandgate.admission.control" -}}
- name: control
  expression: >-
    request.userInfo.username in ['system:kube-controller-manager',
    'system:serviceaccount:kube-system:generic-garbage-collector',
    'system:serviceaccount:kube-system:namespace-controller',
    'system:serviceaccount:kube-system:storage-version-migrator-controller']
{{- end }}

{{- define "sandgate.admission.operator" -}}
- name: operator
  expression: request.userInfo.username == '{{ include "sandgate.operatorUser" . }}'
{{- end }}

{{- define "sandgate.admission" -}}
{{- $release := . }}
{{- if eq (include "sandgate.mutating" .) "true" }}
---
# Who asks is who the API server authenticated.
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata:
  name: sandgate-requester
spec:
  failurePolicy: Fail
  reinvocationPolicy: Never
  matchConstraints:
    {{- include "sandgate.admission.match" . | nindent 4 }}
    resourceRules:
    - {apiGroups: [sandgate.dev], apiVersions: ["*"], operations: [CREATE], resources: [executions, sandboxes], scope: "*"}
  matchConditions:
  # without a spec the schema's own message is the better one
  - {name: has-spec, expression: "has(object.spec) && type(object.spec) == map"}
  mutations:
  - patchType: JSONPatch
    jsonPatch:
      # "add" replaces the member as a whole, so nothing the caller wrote in it survives
      expression: >-
        [JSONPatch{op: "add", path: "/spec/requester",
          value: has(request.userInfo.uid) && request.userInfo.uid != "" ?
            Object.spec.requester{username: request.userInfo.username, uid: request.userInfo.uid} :
            Object.spec.requester{username: request.userInfo.username}}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata:
  name: sandgate-requester
spec:
  policyName: sandgate-requester
---
# Who decides is who the API server authenticated.
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata:
  name: sandgate-decided-by
spec:
  failurePolicy: Fail
  reinvocationPolicy: Never
  matchConstraints:
    {{- include "sandgate.admission.match" . | nindent 4 }}
    resourceRules:
    - {apiGroups: [sandgate.dev], apiVersions: ["*"], operations: [UPDATE], resources: [approvals], scope: "*"}
  matchConditions:
  - name: new-decision
    expression: >-
      has(object.spec) && type(object.spec) == map && has(object.spec.decision) && type(object.spec.decision) == map &&
      !has(oldObject.spec.decision)
  mutations:
  - patchType: JSONPatch
    jsonPatch:
      expression: '[JSONPatch{op: "add", path: "/spec/decision/decidedBy", value: request.userInfo.username}]'
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata:
  name: sandgate-decided-by
spec:
  policyName: sandgate-decided-by
{{- end }}
---
# Executions and Sandboxes: the requester is the caller, and what the caller may not write.
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: sandgate-requester
spec:
  failurePolicy: Fail
  matchConstraints:
    {{- include "sandgate.admission.match" . | nindent 4 }}
    resourceRules:
    - {apiGroups: [sandgate.dev], apiVersions: ["*"], operations: [CREATE, UPDATE], resources: [executions, executions/status, sandboxes, sandboxes/status], scope: "*"}
  variables:
  {{- include "sandgate.admission.operator" . | nindent 2 }}
  {{- include "sandgate.admission.control" . | nindent 2 }}
  - {name: isStatus, expression: "request.?subResource.orValue('') == 'status'"}
  - {name: isCreate, expression: "request.operation == 'CREATE'"}
  validations:
  - expression: "!variables.isCreate || (has(object.spec.requester) && object.spec.requester.username == request.userInfo.username)"
    messageExpression: "'spec.requester.username must be ' + request.userInfo.username"
    reason: Forbidden
  - expression: >-
      !variables.isCreate || !has(object.spec.requester.uid) ||
      (has(request.userInfo.uid) && object.spec.requester.uid == request.userInfo.uid)
    message: spec.requester.uid must be the caller's own
    reason: Forbidden
  - expression: "!variables.isStatus || variables.operator"
    message: only the Sandgate operator writes the status
    reason: Forbidden
  # a finalizer of the caller's own would keep the object for ever
  - expression: "!variables.isCreate || variables.operator || object.metadata.?finalizers.orValue([]).size() == 0"
    message: metadata.finalizers may not be set
    reason: Forbidden
  - expression: >-
      variables.isCreate || variables.operator || variables.control ||
      object.metadata.?finalizers.orValue([]).all(f, f in oldObject.metadata.?finalizers.orValue([]))
    message: metadata.finalizers may not be added
    reason: Forbidden
  # an owner that does not exist makes the garbage collector delete the object: a right that agents do not have
  - expression: >-
      variables.isCreate || variables.operator || variables.control ||
      object.metadata.?ownerReferences.orValue([]) == oldObject.metadata.?ownerReferences.orValue([])
    message: metadata.ownerReferences may not be changed
    reason: Forbidden
{{- include "sandgate.admission.binding" "sandgate-requester" }}
---
# Approvals: who may decide, when, and what else may be written (nothing).
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: sandgate-approvals
spec:
  failurePolicy: Fail
  matchConstraints:
    {{- include "sandgate.admission.match" . | nindent 4 }}
    resourceRules:
    - {apiGroups: [sandgate.dev], apiVersions: ["*"], operations: [CREATE, UPDATE], resources: [approvals, approvals/status], scope: "*"}
  variables:
  {{- include "sandgate.admission.operator" . | nindent 2 }}
  {{- include "sandgate.admission.control" . | nindent 2 }}
  - {name: isStatus, expression: "request.?subResource.orValue('') == 'status'"}
  - {name: isCreate, expression: "request.operation == 'CREATE'"}
  - name: fresh            # this request makes the decision
    expression: "!variables.isCreate && !variables.isStatus && has(object.spec.decision) && !has(oldObject.spec.decision)"
  - name: serviceAccount   # the caller is one
    expression: >-
      request.userInfo.username.startsWith('system:serviceaccount:') ||
      (has(request.userInfo.groups) && 'system:serviceaccounts' in request.userInfo.groups)
  validations:
  - expression: "!variables.isCreate || variables.operator"
    message: only the Sandgate operator creates Approvals
    reason: Forbidden
  - expression: "!variables.isStatus || variables.operator"
    message: only the Sandgate operator writes the status
    reason: Forbidden
  - expression: "!variables.fresh || oldObject.spec.request.requester != request.userInfo.username"
    message: the requester may not decide
    reason: Forbidden
  - expression: >-
      !variables.fresh || oldObject.spec.request.?requesterUID.orValue('') == '' ||
      !has(request.userInfo.uid) || oldObject.spec.request.requesterUID != request.userInfo.uid
    message: the requester may not decide
    reason: Forbidden
  - expression: "!variables.fresh || (has(object.spec.decision.decidedBy) && object.spec.decision.decidedBy == request.userInfo.username)"
    messageExpression: "'spec.decision.decidedBy must be ' + request.userInfo.username"
    reason: Forbidden
  - expression: "!variables.fresh || !variables.serviceAccount || request.userInfo.username in {{ .Values.approvals.serviceAccounts | toJson | replace "\"" "'" }}"
    message: a ServiceAccount may not decide
    reason: Forbidden
  - expression: "!variables.fresh || oldObject.?status.phase.orValue('') == 'Pending'"
    message: the Approval is not pending
    reason: Forbidden
  - expression: "!variables.fresh || !has(oldObject.metadata.deletionTimestamp)"
    message: the Approval is being deleted
    reason: Forbidden
  - expression: >-
      !variables.fresh || authorizer.group('sandgate.dev').resource('risklevels').namespace(object.metadata.namespace)
      .name(oldObject.spec.request.risk.lowerAscii()).check('approve').allowed()
    messageExpression: "'you lack the verb approve on risklevels.sandgate.dev/' + oldObject.spec.request.risk.lowerAscii()"
    reason: Forbidden
  # Owner references, finalizers and labels decide when an Approval vanishes, and who sees it.
  - expression: >-
      variables.isCreate || variables.isStatus || variables.control ||
      (object.metadata.?labels.orValue({}) == oldObject.metadata.?labels.orValue({}) &&
       object.metadata.?annotations.orValue({}) == oldObject.metadata.?annotations.orValue({}) &&
       object.metadata.?finalizers.orValue([]) == oldObject.metadata.?finalizers.orValue([]) &&
       object.metadata.?ownerReferences.orValue([]) == oldObject.metadata.?ownerReferences.orValue([]))
    message: only spec.decision may be written
    reason: Forbidden
  # The operator proves with it, by a dry run that must be refused above, that these rules are in force. Last on purpose.
  - expression: "!variables.fresh || object.metadata.name != 'sandgate-canary' || object.metadata.namespace != '{{ .Release.Namespace }}'"
    message: the canary takes no decision
    reason: Forbidden
{{- include "sandgate.admission.binding" "sandgate-approvals" }}
{{- if .Values.approvals.separation.levels }}
---
# Who could act as the requester may not decide: they would be the same person with two hats. An authorizer check costs a
# third of what one expression may, so each stands alone.
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: sandgate-separation
spec:
  failurePolicy: Fail
  matchConstraints:
    {{- include "sandgate.admission.match" . | nindent 4 }}
    resourceRules:
    - {apiGroups: [sandgate.dev], apiVersions: ["*"], operations: [UPDATE], resources: [approvals], scope: "*"}
  matchConditions:
  - {name: new-decision, expression: "has(object.spec.decision) && !has(oldObject.spec.decision)"}
  - {name: level, expression: "oldObject.spec.request.risk in {{ .Values.approvals.separation.levels | toJson | replace "\"" "'" }}"}
  variables:
  - {name: requester, expression: "oldObject.spec.request.requester"}
  - {name: who, expression: "variables.requester.split(':')"}   # system:serviceaccount:NAMESPACE:NAME
  - {name: isAccount, expression: "variables.who.size() == 4 && variables.who[0] == 'system' && variables.who[1] == 'serviceaccount'"}
  validations:
  - expression: "!variables.isAccount || !authorizer.group('').resource('serviceaccounts').namespace(variables.who[2]).name(variables.who[3]).check('impersonate').allowed()"
    message: you could act as the requesting ServiceAccount (verb impersonate), so you may not decide
    reason: Forbidden
  # Kubernetes 1.36 has a second way to impersonate, with verbs of its own
  - expression: "!variables.isAccount || !authorizer.group('authentication.k8s.io').resource('serviceaccounts').namespace(variables.who[2]).name(variables.who[3]).check('impersonate:serviceaccount').allowed()"
    message: "you could act as the requesting ServiceAccount (verb impersonate:serviceaccount), so you may not decide"
    reason: Forbidden
  - expression: "!variables.isAccount || !authorizer.group('').resource('serviceaccounts').subresource('token').namespace(variables.who[2]).name(variables.who[3]).check('create').allowed()"
    message: you could act as the requesting ServiceAccount (create serviceaccounts/token), so you may not decide
    reason: Forbidden
  - expression: "variables.isAccount || !authorizer.group('').resource('users').name(variables.requester).check('impersonate').allowed()"
    message: you could act as the requesting user (verb impersonate), so you may not decide
    reason: Forbidden
  - expression: "variables.isAccount || !authorizer.group('authentication.k8s.io').resource('users').name(variables.requester).check('impersonate:user-info').allowed()"
    message: "you could act as the requesting user (verb impersonate:user-info), so you may not decide"
    reason: Forbidden
  {{- if .Values.approvals.separation.podCreators }}
  - expression: "!variables.isAccount || !authorizer.group('').resource('pods').namespace(variables.who[2]).check('create').allowed()"
    message: you could act as the requesting ServiceAccount (create pods in its namespace), so you may not decide
    reason: Forbidden
  {{- end }}
{{- include "sandgate.admission.binding" "sandgate-separation" }}
{{- end }}
---
# Pods: the label sandgate.dev/sandbox <=> a name that starts with sgsb- <=> made by the operator. The name is what the CONNECT
# rule can see; the label is what NetworkPolicies select by.
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: sandgate-pods
spec:
  failurePolicy: Fail
  matchConstraints:
    {{- include "sandgate.admission.match" . | nindent 4 }}
    resourceRules:
    - {apiGroups: [""], apiVersions: ["*"], operations: [CREATE, UPDATE], resources: [pods, pods/ephemeralcontainers, pods/resize, pods/status], scope: "*"}
  matchConditions:      # every other pod passes without evaluating a rule
  - name: sandbox-pod
    expression: >-
      object.?metadata.labels['sandgate.dev/sandbox'].hasValue() || oldObject.?metadata.labels['sandgate.dev/sandbox'].hasValue() ||
      request.name.startsWith('sgsb-') || object.metadata.?generateName.orValue('').startsWith('sgsb-') ||
      request.userInfo.username == '{{ include "sandgate.operatorUser" . }}'
  variables:
  {{- include "sandgate.admission.operator" . | nindent 2 }}
  {{- include "sandgate.admission.control" . | nindent 2 }}
  - {name: sub, expression: "request.?subResource.orValue('')"}
  - {name: labels, expression: "object.metadata.?labels.orValue({})"}
  - {name: oldLabels, expression: "oldObject.?metadata.labels.orValue({})"}
  - {name: notes, expression: "object.metadata.?annotations.orValue({})"}
  - {name: oldNotes, expression: "oldObject.?metadata.annotations.orValue({})"}
  - name: containers
    expression: "object.spec.containers + object.spec.?initContainers.orValue([])"
  - name: marked         # what selects this pod, and what gVisor would obey, is as before
    expression: >-
      variables.labels.all(k, !k.startsWith('sandgate.dev/') || variables.oldLabels[?k].orValue('') == variables.labels[k]) &&
      variables.oldLabels.all(k, !k.startsWith('sandgate.dev/') || k in variables.labels) &&
      variables.notes.all(k, !(k.startsWith('dev.gvisor.') || k.startsWith('sandgate.dev/')) || variables.oldNotes[?k].orValue('') == variables.notes[k]) &&
      variables.oldNotes.all(k, !(k.startsWith('dev.gvisor.') || k.startsWith('sandgate.dev/')) || k in variables.notes)
  - name: annotator      # a network plugin that annotates pods, named by the deployment
    expression: "request.operation == 'UPDATE' && request.userInfo.username in {{ .Values.admission.podAnnotators | toJson | replace "\"" "'" }} && variables.marked && object.spec == oldObject.spec"
  validations:
  - expression: "!(variables.sub in ['ephemeralcontainers', 'resize'])"
    message: sandbox pods take no ephemeral containers and are not resized
    reason: Forbidden
  # the kubelet and others write the status; metadata can be changed through that door as well
  - expression: "variables.sub != 'status' || variables.marked"
    message: labels and annotations of sandbox pods may not be changed through their status
    reason: Forbidden
  - expression: "variables.sub != '' || variables.operator || variables.annotator || (request.operation == 'UPDATE' && variables.control)"
    message: only the Sandgate operator creates or changes sandbox pods (label sandgate.dev/sandbox, name sgsb-*)
    reason: Forbidden
  # What the operator itself may create: sandbox pods, and nothing by which a stolen operator token would own a node.
  - expression: "variables.sub != '' || !variables.operator || (object.?metadata.labels['sandgate.dev/sandbox'].hasValue() && object.metadata.name.startsWith('sgsb-'))"
    message: the operator creates pods with the label sandgate.dev/sandbox and the name prefix sgsb- only
    reason: Forbidden
  - expression: "variables.sub != '' || !variables.operator || object.spec.?runtimeClassName.orValue('') == '{{ include "sandgate.runtimeClass" . }}'"
    message: a sandbox pod runs under gVisor
    reason: Forbidden
  - expression: >-
      variables.sub != '' || !variables.operator ||
      (object.spec.?automountServiceAccountToken.orValue(true) == false &&
       !object.spec.?hostNetwork.orValue(false) && !object.spec.?hostPID.orValue(false) && !object.spec.?hostIPC.orValue(false) &&
       object.spec.?volumes.orValue([]).all(v, has(v.emptyDir) || has(v.configMap) || (has(v.secret) && v.secret.?secretName.orValue('').startsWith('sgsb-'))))
    message: a sandbox pod has no ServiceAccount token, nothing of the host, no Secret but its own, and volumes of the kinds emptyDir, secret and configMap only
    reason: Forbidden
  - expression: >-
      variables.sub != '' || !variables.operator || variables.containers.all(c,
        c.?securityContext.allowPrivilegeEscalation.orValue(true) == false && !c.?securityContext.privileged.orValue(false) &&
        c.?securityContext.capabilities.add.orValue([]).size() == 0 && c.?ports.orValue([]).all(p, p.?hostPort.orValue(0) == 0))
    message: a sandbox pod's containers are not privileged
    reason: Forbidden
  # under gVisor one container without a limit makes the whole pod unlimited
  - expression: "variables.sub != '' || !variables.operator || variables.containers.all(c, c.?resources.limits['memory'].hasValue() && c.?resources.limits['cpu'].hasValue())"
    message: every container of a sandbox pod has limits of memory and CPU
    reason: Forbidden
{{- include "sandgate.admission.binding" "sandgate-pods" }}
---
# A Binding's labels and annotations are copied into the pod: the scheduler's door to metadata.
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: sandgate-bindings
spec:
  failurePolicy: Fail
  matchConstraints:
    {{- include "sandgate.admission.match" . | nindent 4 }}
    resourceRules:
    - {apiGroups: [""], apiVersions: ["*"], operations: [CREATE], resources: [bindings, pods/binding], scope: "*"}
  matchConditions:
  - {name: sandbox-pod, expression: "request.name.startsWith('sgsb-') || object.metadata.?name.orValue('').startsWith('sgsb-')"}
  validations:
  - expression: >-
      object.metadata.?labels.orValue({}).all(k, !k.startsWith('sandgate.dev/')) &&
      object.metadata.?annotations.orValue({}).all(k, !k.startsWith('dev.gvisor.') && !k.startsWith('sandgate.dev/'))
    message: labels and annotations of sandbox pods may not be changed through a binding
    reason: Forbidden
{{- include "sandgate.admission.binding" "sandgate-bindings" }}
---
# Nobody gets into a sandbox past the gateway. /pods/http:sgsb-x:8000/proxy/ names a pod too, and so does /pods/:sgsb-x:/proxy/.
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: sandgate-connect
spec:
  failurePolicy: Fail
  matchConstraints:
    {{- include "sandgate.admission.match" . | nindent 4 }}
    resourceRules:
    - {apiGroups: [""], apiVersions: ["*"], operations: [CONNECT], resources: [pods/exec, pods/attach, pods/portforward, pods/proxy], scope: "*"}
  matchConditions:
  - {name: sandbox-pod, expression: "request.name.matches('^([A-Za-z]*:)?sgsb-')"}
  validations:
  - expression: "false"
    message: nobody may exec into, attach to, proxy or forward to a sandbox pod
    reason: Forbidden
{{- include "sandgate.admission.binding" "sandgate-connect" }}
---
# The NetworkPolicies of sandboxes (name sandgate-*) are the operator's.
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: sandgate-network
spec:
  failurePolicy: Fail
  matchConstraints:
    {{- include "sandgate.admission.match" . | nindent 4 }}
    resourceRules:
    - {apiGroups: [networking.k8s.io], apiVersions: ["*"], operations: [CREATE, UPDATE, DELETE], resources: [networkpolicies], scope: "*"}
  matchConditions:
  # a deletion of the whole collection carries no request.name
  - name: ours
    expression: >-
      request.namespace != '{{ .Release.Namespace }}' &&
      (oldObject.?metadata.name.orValue('').startsWith('sandgate-') || object.?metadata.name.orValue('').startsWith('sandgate-') ||
       object.?metadata.generateName.orValue('').startsWith('sandgate-'))
  variables:
  {{- include "sandgate.admission.operator" . | nindent 2 }}
  {{- include "sandgate.admission.control" . | nindent 2 }}
  validations:
  - expression: variables.operator || variables.control
    message: only the Sandgate operator writes NetworkPolicies with the name sandgate-*
    reason: Forbidden
{{- include "sandgate.admission.binding" "sandgate-network" }}
---
# Secrets: a sandbox's (name sgsb-*) is made by the operator alone, and the operator makes none of the kind that Kubernetes
# fills with a ServiceAccount's token.
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: sandgate-secrets
spec:
  failurePolicy: Fail
  matchConstraints:
    {{- include "sandgate.admission.match" . | nindent 4 }}
    resourceRules:
    - {apiGroups: [""], apiVersions: ["*"], operations: [CREATE, UPDATE], resources: [secrets], scope: "*"}
  matchConditions:
  - name: ours
    expression: >-
      request.userInfo.username == '{{ include "sandgate.operatorUser" . }}' || object.?metadata.name.orValue('').startsWith('sgsb-') ||
      object.?metadata.generateName.orValue('').startsWith('sgsb-')
  variables:
  {{- include "sandgate.admission.operator" . | nindent 2 }}
  {{- include "sandgate.admission.control" . | nindent 2 }}
  validations:
  - expression: variables.operator || (variables.control && request.operation == 'UPDATE')
    message: only the Sandgate operator writes Secrets with the name sgsb-*
    reason: Forbidden
  - expression: "!variables.operator || object.?type.orValue('Opaque') in ['Opaque', 'kubernetes.io/tls']"
    message: the operator creates Secrets of the types Opaque and kubernetes.io/tls only
    reason: Forbidden
{{- include "sandgate.admission.binding" "sandgate-secrets" }}
{{- end }}
